//! What streams ask of their decoder, on the way there.
//!
//! The client's end keeps a share of all that was asked until the decoder has none any more, so that the lane never frees
//! anything.

use crate::settings::{SettingReceiver, SettingSender, settings};
use std::sync::Arc;
use voxlane_models::decode::DecodeOptions;

/// What a stream asks; none: nothing.
pub(crate) type Asked = Option<Arc<DecodeOptions>>;

/// The client's end.
pub(crate) struct OptionsSender {
    settings: SettingSender<Asked>,
    /// What the lane may still have.
    kept: Vec<Arc<DecodeOptions>>,
}

/// Both ends for one slot.
pub(crate) fn decode_options() -> (OptionsSender, SettingReceiver<Asked>) {
    let (settings, receiver) = settings();
    (OptionsSender { settings, kept: Vec::new() }, receiver)
}

impl OptionsSender {
    /// Leaves what the stream of `generation` asks; `false` if too much waits. Frees what the lane has done with.
    pub(crate) fn send(&mut self, generation: u32, asked: Asked) -> bool {
        self.kept.retain(|kept| Arc::strong_count(kept) > 1);
        if let Some(new) = &asked
            && !self.kept.iter().any(|kept| Arc::ptr_eq(kept, new))
        {
            self.kept.push(Arc::clone(new));
        }
        self.settings.send(generation, asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_frees_what_the_decoder_has_dropped() {
        let (mut sender, mut receiver) = decode_options();
        let asked = Arc::new(DecodeOptions::default());
        let watched = Arc::downgrade(&asked);
        assert!(sender.send(1, Some(asked)));
        let taken = receiver.take(1);
        assert!(sender.send(1, None));
        assert!(watched.upgrade().is_some());
        drop(taken);
        assert!(watched.upgrade().is_some(), "the decoder's share is never the last");
        assert!(sender.send(1, None));
        assert!(watched.upgrade().is_none());
    }
}
