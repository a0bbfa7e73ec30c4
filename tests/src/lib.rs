//! What tests the Quipu event store from outside: a model, a simulator and crash harnesses.
#![forbid(unsafe_code)]
