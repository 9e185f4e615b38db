//! What the decoder is asked about a stream, by number: with a network that takes audio in chunks, after each chunk
//! whether there is anything to hear.

use voxlane_models::model::Chunks;

/// See the module.
pub(super) struct Queries {
    /// Where the decoder is asked next whether there is anything to hear.
    due_at: u64,
    /// What the decoder was asked about a chunk and has not answered.
    open: Option<u32>,
    /// The latest number in this slot.
    latest: u32,
}

impl Queries {
    pub(super) fn new() -> Self {
        Queries { due_at: u64::MAX, open: None, latest: 0 }
    }

    /// A new stream. Numbers go on: an answer to the one before is none to this.
    pub(super) fn restart(&mut self) {
        (self.due_at, self.open) = (u64::MAX, None);
    }

    /// A segment begins at `start`, whose end depends on what the network says of its chunks, if there are any.
    pub(super) fn begin(&mut self, start: u64, chunks: Option<Chunks>) {
        self.due_at = chunks.map_or(u64::MAX, |chunks| start + chunks.first);
    }

    /// Where the decoder is asked next.
    pub(super) fn due_at(&self) -> u64 {
        self.due_at
    }

    /// The number of a question about a chunk; the next is due when the next chunk is complete.
    pub(super) fn ask(&mut self, chunks: Chunks) -> u32 {
        let number = self.number();
        self.open = Some(number);
        self.due_at += chunks.step;
        number
    }

    /// The number of a question.
    pub(super) fn number(&mut self) -> u32 {
        self.latest = self.latest.wrapping_add(1).max(1);
        self.latest
    }

    pub(super) fn open(&self) -> Option<u32> {
        self.open
    }

    /// The answer has come.
    pub(super) fn answered(&mut self) {
        self.open = None;
    }

    /// The segment is over.
    pub(super) fn end(&mut self) {
        self.due_at = u64::MAX;
    }
}
