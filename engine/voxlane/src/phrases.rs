//! Phrases on their way from a stream's client to its decoder.
//!
//! The client's end keeps a share of every set until the decoder has none any more, so that the lane never frees one.

use crate::settings::{SettingReceiver, SettingSender, settings};
use std::sync::Arc;
use voxlane_models::decode::Hotwords;

/// What a stream listens for.
pub(crate) type Phrases = Option<Arc<Hotwords>>;

/// The client's end.
pub(crate) struct PhraseSender {
    settings: SettingSender<Phrases>,
    /// Sets that the lane may still have.
    kept: Vec<Arc<Hotwords>>,
}

/// Both ends for one slot.
pub(crate) fn phrases() -> (PhraseSender, SettingReceiver<Phrases>) {
    let (settings, receiver) = settings();
    (PhraseSender { settings, kept: Vec::new() }, receiver)
}

impl PhraseSender {
    /// Leaves a set for the stream of `generation`; `false` if too many wait. Frees those that the lane has done
    /// with.
    pub(crate) fn send(&mut self, generation: u32, hotwords: Phrases) -> bool {
        self.kept.retain(|kept| Arc::strong_count(kept) > 1);
        if let Some(new) = &hotwords
            && !self.kept.iter().any(|kept| Arc::ptr_eq(kept, new))
        {
            self.kept.push(Arc::clone(new));
        }
        self.settings.send(generation, hotwords)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_frees_what_the_decoder_has_dropped() {
        let (mut sender, mut receiver) = phrases();
        let set = Arc::new(Hotwords::new([(&[1, 2][..], 1.0)], 10.0));
        let watched = Arc::downgrade(&set);
        assert!(sender.send(1, Some(set)));
        let taken = receiver.take(1);
        assert!(sender.send(1, None));
        assert!(watched.upgrade().is_some());
        drop(taken);
        assert!(watched.upgrade().is_some(), "the decoder's share is never the last");
        assert!(sender.send(1, None));
        assert!(watched.upgrade().is_none());
    }
}
