//! What the index files of many segments say together of a key.

use quipu_disk::threads::RwLock;
use quipu_index::{Head, IndexError, Key, Layer, Layers};

/// The heads of all keys in the segments before the loose ones. A file among them that fails a check is
/// replaced in place, for all who hold this.
#[derive(Default)]
pub(crate) struct Heads {
    layers: RwLock<Layers>,
}

impl Heads {
    pub(crate) fn new(layers: Layers) -> Heads {
        Heads { layers: RwLock::new(layers) }
    }

    /// The layers at this moment, newest first.
    pub(crate) fn layers(&self) -> Layers {
        self.layers.read().clone()
    }

    /// What is known of a key.
    pub(crate) fn find(&self, key: Key) -> Result<Option<Head>, IndexError> {
        self.layers.read().find(key)
    }

    /// The layer that cannot answer for this key, if any, and why.
    pub(crate) fn failing(&self, key: Key) -> Option<(Layer, IndexError)> {
        for layer in self.layers().newest_first() {
            match layer.find(key) {
                Ok(None) => {}
                Ok(Some(_)) => return None,
                Err(error) => return Some((layer.clone(), error)),
            }
        }
        None
    }

    /// Replaces a layer by others that cover the same segments, newest first. Nothing happens where it is not
    /// there any more: somebody else did it.
    pub(crate) fn replace(&self, old: &Layer, new: &[Layer]) {
        let mut layers = self.layers.write();
        let mut replaced = layers.newest_first().to_vec();
        if let Some(at) = replaced.iter().position(|layer| is_same(layer, old)) {
            replaced.splice(at..=at, new.iter().cloned());
            *layers = Layers::new(replaced);
        }
    }
}

fn is_same(one: &Layer, other: &Layer) -> bool {
    match (one, other) {
        (Layer::Index(one), Layer::Index(other)) => std::sync::Arc::ptr_eq(one, other),
        (Layer::Run(one), Layer::Run(other)) => std::sync::Arc::ptr_eq(one, other),
        _ => false,
    }
}
