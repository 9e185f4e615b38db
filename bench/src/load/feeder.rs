//! A thread that says when each block is due.

use crate::recordings::SAMPLE_RATE;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Samples in a block: 20 ms.
pub const BLOCK: usize = SAMPLE_RATE as usize / 50;

/// The length of a block.
pub const BLOCK_TIME: Duration = Duration::from_millis(20);

/// The feeder sleeps until this long before a block is due, then spins.
const SPIN: Duration = Duration::from_micros(300);

/// A stream to be fed.
#[derive(Debug)]
pub struct Line {
    /// When its first sample is spoken, after the beginning of all.
    pub start: Duration,
    /// Its blocks.
    pub blocks: usize,
    /// Gets the number of each block when it is due, and is dropped behind the last. Nothing here ever waits for it.
    pub sender: UnboundedSender<usize>,
}

/// When a block is due, after the beginning of all: when its last sample is spoken.
pub fn due(start: Duration, block: usize) -> Duration {
    start + BLOCK_TIME * (block as u32 + 1)
}

/// Feeds all lines, and gives how late each block was, in seconds. Blocks the calling thread. A line whose stream has ended is
/// fed no more.
pub fn feed(lines: Vec<Line>, begun: Instant) -> Vec<f64> {
    let mut heap: BinaryHeap<_> = (0..lines.len())
        .filter(|&line| lines[line].blocks > 0)
        .map(|line| Reverse((due(lines[line].start, 0), line, 0)))
        .collect();
    let mut lines: Vec<Option<Line>> =
        lines.into_iter().map(|line| Some(line).filter(|line| line.blocks > 0)).collect();
    let mut lag = Vec::new();
    while let Some(Reverse((time, number, block))) = heap.pop() {
        wait_until(begun + time);
        lag.push((begun.elapsed().saturating_sub(time)).as_secs_f64());
        let Some(line) = &lines[number] else { continue };
        let goes_on = line.sender.send(block).is_ok() && block + 1 < line.blocks;
        if goes_on {
            heap.push(Reverse((due(line.start, block + 1), number, block + 1)));
        } else {
            lines[number] = None;
        }
    }
    lag
}

fn wait_until(time: Instant) {
    let left = time.saturating_duration_since(Instant::now());
    if left > SPIN {
        std::thread::sleep(left - SPIN);
    }
    while Instant::now() < time {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn blocks_come_in_the_order_of_their_times_and_lines_end() {
        let (first, mut of_first) = unbounded_channel();
        let (second, mut of_second) = unbounded_channel();
        let (gone, of_gone) = unbounded_channel();
        let (empty, mut of_empty) = unbounded_channel();
        drop(of_gone);
        let line = |start, blocks, sender| Line { start: Duration::from_millis(start), blocks, sender };
        let begun = Instant::now();
        let lines = vec![line(0, 3, first), line(10, 2, second), line(0, 50, gone), line(0, 0, empty)];
        let lag = feed(lines, begun);
        // Three, two, and the one that nobody took.
        assert_eq!(lag.len(), 6);
        assert!(begun.elapsed() >= due(Duration::ZERO, 2));
        let all = |of: &mut tokio::sync::mpsc::UnboundedReceiver<usize>| {
            let mut numbers = Vec::new();
            while let Some(number) = of.blocking_recv() {
                numbers.push(number);
            }
            numbers
        };
        assert_eq!(all(&mut of_first), [0, 1, 2]);
        assert_eq!(all(&mut of_second), [0, 1]);
        assert!(all(&mut of_empty).is_empty());
    }
}
