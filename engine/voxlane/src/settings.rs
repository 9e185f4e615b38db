//! Settings on their way from a stream's client to a stage of its lane.
//!
//! Messages are fixed in size and carry no pointers. Settings lie beside them in a small ring of the slot, each with the
//! generation that it is for; the stage takes them when a message asks it to.

use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// Settings of a slot that may wait. An abandoned stream leaves some behind.
const WAITING: usize = 4;

struct Setting<T> {
    generation: u32,
    value: T,
}

/// The client's end.
pub(crate) struct SettingSender<T>(HeapProd<Setting<T>>);

/// The stage's end.
pub(crate) struct SettingReceiver<T>(HeapCons<Setting<T>>);

/// Both ends for one slot.
pub(crate) fn settings<T>() -> (SettingSender<T>, SettingReceiver<T>) {
    let (sender, receiver) = HeapRb::new(WAITING).split();
    (SettingSender(sender), SettingReceiver(receiver))
}

impl<T> SettingSender<T> {
    /// Leaves a value for the stream of `generation`; `false` if too many wait.
    pub(crate) fn send(&mut self, generation: u32, value: T) -> bool {
        self.0.try_push(Setting { generation, value }).is_ok()
    }
}

impl<T> SettingReceiver<T> {
    /// The next value for the stream of `generation`; what was left for earlier ones is dropped. Nothing if there is none.
    pub(crate) fn take(&mut self, generation: u32) -> Option<T> {
        self.clear(generation.saturating_sub(1));
        let is_its = self.0.try_peek().is_some_and(|setting| setting.generation == generation);
        if is_its { self.0.try_pop().map(|setting| setting.value) } else { None }
    }

    /// Drops what was left for streams up to `generation`.
    pub(crate) fn clear(&mut self, generation: u32) {
        while self.0.try_peek().is_some_and(|setting| setting.generation <= generation) {
            self.0.try_pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_in_order_and_only_to_their_stream() {
        let (mut sender, mut receiver) = settings();
        assert!(sender.send(1, "left") && sender.send(2, "first") && sender.send(2, "second"));
        assert!(sender.send(3, "next") && !sender.send(3, "one too many"));
        assert_eq!(
            (receiver.take(2), receiver.take(2), receiver.take(2)),
            (Some("first"), Some("second"), None)
        );
        assert_eq!(receiver.take(3), Some("next"));
        assert!(sender.send(4, "left") && sender.send(5, "kept"));
        receiver.clear(4);
        assert_eq!(receiver.take(5), Some("kept"));
    }
}
