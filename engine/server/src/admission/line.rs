//! The line of streams that wait for a slot, and whose turn it is.

use std::collections::HashMap;
use std::sync::Arc;
use voxlane::config::ServiceClass;

/// The streams that wait. Live ones come before batch ones; among those of a class the client that holds the fewest slots,
/// then the one that was served longest ago, then the one that came first.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: Vec<Waiting>,
    clients: HashMap<Arc<str>, Served>,
    tickets: u64,
    turns: u64,
    held: usize,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    client: Arc<str>,
    class: ServiceClass,
}

/// What a client has got.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    held: usize,
    waiting: usize,
    /// When it was last served, counted in turns.
    turn: u64,
}

impl Line {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many slots are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Puts a stream at the end.
    pub(super) fn enter(&mut self, client: &Arc<str>, class: ServiceClass) -> u64 {
        self.tickets += 1;
        self.clients.entry(Arc::clone(client)).or_default().waiting += 1;
        self.waiting.push(Waiting { ticket: self.tickets, client: Arc::clone(client), class });
        self.tickets
    }

    /// Whose turn it is when `free` slots are free, of which batch streams leave `reserve`.
    pub(super) fn next(&self, free: usize, reserve: usize) -> Option<u64> {
        let may = |waiting: &&Waiting| waiting.class == ServiceClass::Live || free > reserve;
        let rank = |waiting: &&Waiting| {
            let served = self.clients.get(&waiting.client).copied().unwrap_or_default();
            (waiting.class != ServiceClass::Live, served.held, served.turn, waiting.ticket)
        };
        self.waiting.iter().filter(may).min_by_key(rank).map(|waiting| waiting.ticket)
    }

    /// Takes a stream out that does not wait any more.
    pub(super) fn leave(&mut self, ticket: u64) {
        let Some(index) = self.waiting.iter().position(|waiting| waiting.ticket == ticket) else { return };
        let client = self.waiting.remove(index).client;
        if let Some(served) = self.clients.get_mut(&client) {
            served.waiting -= 1;
        }
        self.forget(&client);
    }

    /// Counts a slot as taken.
    pub(super) fn take(&mut self, client: &Arc<str>) {
        self.turns += 1;
        let served = self.clients.entry(Arc::clone(client)).or_default();
        served.held += 1;
        served.turn = self.turns;
        self.held += 1;
    }

    /// Counts a slot as given back.
    pub(super) fn give_back(&mut self, client: &Arc<str>) {
        if let Some(served) = self.clients.get_mut(client) {
            served.held -= 1;
            self.held -= 1;
        }
        self.forget(client);
    }

    /// Forgets a client that neither waits nor holds anything, so that nothing grows.
    fn forget(&mut self, client: &Arc<str>) {
        if self.clients.get(client).is_some_and(|served| served.held == 0 && served.waiting == 0) {
            self.clients.remove(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceClass::{Batch, Live};

    /// Serves everybody from `free` slots that are given back at once; whose turns they were.
    fn turns(line: &mut Line, names: &[(u64, &'static str)]) -> Vec<&'static str> {
        let mut turns = Vec::new();
        while let Some(ticket) = line.next(1, 0) {
            let name = names.iter().find(|(number, _)| *number == ticket).unwrap().1;
            let client: Arc<str> = name.into();
            line.take(&client);
            line.leave(ticket);
            line.give_back(&client);
            turns.push(name);
        }
        turns
    }

    #[test]
    fn many_streams_of_one_client_do_not_keep_another_waiting() {
        let mut line = Line::default();
        let mut names: Vec<_> = (0..4).map(|_| (line.enter(&"many".into(), Live), "many")).collect();
        names.push((line.enter(&"few".into(), Live), "few"));
        assert_eq!(turns(&mut line, &names), ["many", "few", "many", "many", "many"]);
        assert!(line.clients.is_empty() && line.held() == 0);
    }

    #[test]
    fn who_holds_fewer_slots_goes_first() {
        let mut line = Line::default();
        let (rich, poor): (Arc<str>, Arc<str>) = ("rich".into(), "poor".into());
        line.take(&poor);
        line.give_back(&poor);
        line.take(&rich);
        let first = line.enter(&rich, Live);
        let second = line.enter(&poor, Live);
        assert_eq!(line.next(1, 0), Some(second));
        line.leave(second);
        assert_eq!(line.next(1, 0), Some(first));
    }

    #[test]
    fn batch_gives_way() {
        let mut line = Line::default();
        let upload = line.enter(&"a".into(), Batch);
        assert_eq!((line.next(1, 0), line.next(1, 1), line.next(2, 1)), (Some(upload), None, Some(upload)));
        let call = line.enter(&"b".into(), Live);
        assert_eq!(line.next(1, 0), Some(call));
        line.leave(call);
        line.leave(upload);
        assert_eq!((line.len(), line.next(1, 0)), (0, None));
    }
}
