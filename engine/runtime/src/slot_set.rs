//! Sets of slots, a bit each: to find the next one costs a word of 64 slots, not a slot.

/// A set of slots, a bit each.
///
/// ```
/// use voxlane_runtime::slot_set::SlotSet;
///
/// let (mut waiting, none) = (SlotSet::new(100), SlotSet::new(100));
/// waiting.insert(3);
/// waiting.insert(70);
/// // The next one in turn after slot 3, whatever `none` holds.
/// assert_eq!(waiting.next(4, (&none, false)), Some(70));
/// waiting.remove(70);
/// assert_eq!(waiting.next(4, (&none, false)), Some(3), "from the start again");
/// ```
#[derive(Clone, Debug)]
pub struct SlotSet(Vec<u64>);

impl SlotSet {
    /// Creates the empty set of `slots` slots.
    pub fn new(slots: usize) -> Self {
        SlotSet(vec![0; slots.div_ceil(64).max(1)])
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    /// Removes a slot.
    pub fn remove(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    /// Returns whether a slot is in the set.
    pub fn contains(&self, slot: usize) -> bool {
        self.0[slot / 64] >> (slot % 64) & 1 == 1
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Adds 64 slots at a time: `more` returns those of each word.
    pub fn extend(&mut self, mut more: impl FnMut(usize) -> u64) {
        self.0.iter_mut().enumerate().for_each(|(number, word)| *word |= more(number));
    }

    /// Returns the first slot at or behind `from`, and else the first of all, that is in the set and also in `other`, or not
    /// in `other` where `is_in` is false.
    pub fn next(&self, from: usize, (other, is_in): (&SlotSet, bool)) -> Option<usize> {
        let words = self.0.len();
        let from = from % (64 * words);
        let behind = u64::MAX << (from % 64);
        // The first word comes twice: from the turn on, and up to it.
        (0..=words).find_map(|offset| {
            let number = (from / 64 + offset) % words;
            let mask = match offset {
                0 => behind,
                _ if offset == words => !behind,
                _ => u64::MAX,
            };
            let allowed = if is_in { other.0[number] } else { !other.0[number] };
            let bits = self.0[number] & allowed & mask;
            (bits != 0).then(|| number * 64 + bits.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_have_their_turn_and_the_first_follows_the_last() {
        let (mut set, mut odd) = (SlotSet::new(130), SlotSet::new(130));
        [3, 64, 129].into_iter().for_each(|slot| set.insert(slot));
        [3, 129].into_iter().for_each(|slot| odd.insert(slot));
        let next = |from, is_in| set.next(from, (&odd, is_in));
        assert_eq!(
            [0, 3, 4, 64, 65, 129, 130, 192].map(|from| next(from, true)),
            [3, 3, 129, 129, 129, 129, 3, 3].map(Some)
        );
        assert_eq!([0, 64, 65, 129].map(|from| next(from, false)), [Some(64); 4]);
        set.remove(64);
        assert!(!set.contains(64) && set.contains(129) && !set.is_empty());
        assert_eq!(set.next(10, (&odd, false)), None);
        assert!(SlotSet::new(0).is_empty());
    }
}
