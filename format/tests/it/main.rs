//! The bytes: against bytes computed apart, against the document, and against everything else that bytes may be.

mod budget;
mod document;
mod edges;
mod golden;
mod robust;
mod samples;
