//! The way of a file's updates to the thread that writes them.

use super::update::Update;
use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, TrySendError};

/// Updates of one file. The queue behind it is bounded: while it is full, updates wait here and the caller must not
/// cause more of them.
#[derive(Debug)]
pub struct Outlet {
    file: usize,
    sender: SyncSender<(usize, Update)>,
    waiting: VecDeque<Update>,
}

impl Outlet {
    /// For the file of that number.
    pub fn new(file: usize, sender: SyncSender<(usize, Update)>) -> Self {
        Outlet { file, sender, waiting: VecDeque::new() }
    }

    /// The number of the file.
    pub fn file(&self) -> usize {
        self.file
    }

    /// Hands over an update, or keeps it until there is room. Never waits.
    pub fn give(&mut self, update: Update) {
        self.waiting.push_back(update);
        self.has_room();
    }

    /// Hands over what waits as far as there is room; whether nothing waits any more.
    pub fn has_room(&mut self) -> bool {
        while let Some(update) = self.waiting.pop_front() {
            match self.sender.try_send((self.file, update)) {
                Ok(()) => {}
                Err(TrySendError::Full((_, update))) => {
                    self.waiting.push_front(update);
                    return false;
                }
                // Nobody takes updates any more.
                Err(TrySendError::Disconnected(_)) => self.waiting.clear(),
            }
        }
        true
    }

    /// Hands over everything that waits; waits for room.
    pub fn finish(mut self) {
        for update in self.waiting.drain(..) {
            if self.sender.send((self.file, update)).is_err() {
                return;
            }
        }
    }
}
