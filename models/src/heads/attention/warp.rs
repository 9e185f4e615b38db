//! Dynamic time warping: which frames belong to which token.
//!
//! Given a score for every token (row) and frame (column), the frames are cut into one run for each token, in
//! order and without gaps, such that the sum of the scores under the runs is the largest (Sakoe and Chiba, 1978,
//! without the step that lets a frame belong to two rows). Takes rows one after the other; time and memory are
//! proportional to rows × frames.

use crate::buffer::Buffer;

/// The best cut of frames among rows. Its storage is made once.
#[derive(Clone, Debug)]
pub struct Warp {
    frames: usize,
    rows: usize,
    /// Of the best path that ends at each frame, in the newest row.
    sums: Buffer,
    /// `[row][frame]`: 1 where the best path comes from the row before, 0 where it comes from the frame before in
    /// the same row.
    entered: Buffer<u8>,
}

impl Warp {
    /// Room for `max_rows` rows of `max_frames` frames.
    pub fn new(max_rows: usize, max_frames: usize) -> Self {
        Warp {
            frames: 0,
            rows: 0,
            sums: Buffer::zeros(max_frames),
            entered: Buffer::zeros(max_rows * max_frames),
        }
    }

    /// Starts anew, with rows of `frames` frames.
    ///
    /// # Panics
    /// If it was made for fewer.
    pub fn begin(&mut self, frames: usize) {
        assert!(frames <= self.sums.len(), "at most {} frames", self.sums.len());
        (self.frames, self.rows) = (frames, 0);
        self.sums[..frames].fill(f32::NEG_INFINITY);
    }

    /// Takes the scores of the next row. They must be finite for the cut to be the best one.
    ///
    /// # Panics
    /// If there is no room for another row, or `scores` is not one for each frame.
    pub fn push(&mut self, scores: &[f32]) {
        assert_eq!(scores.len(), self.frames, "one score for each frame");
        let entered = &mut self.entered[self.rows * self.frames..][..self.frames];
        // Only the first row can begin at the first frame.
        let mut before = if self.rows == 0 { 0.0 } else { f32::NEG_INFINITY };
        let mut here = f32::NEG_INFINITY;
        for ((sum, entered), score) in self.sums[..self.frames].iter_mut().zip(entered).zip(scores) {
            let enters = before >= here;
            *entered = u8::from(enters);
            here = if enters { before } else { here } + score;
            before = std::mem::replace(sum, here);
        }
        self.rows += 1;
    }

    /// Writes the first frame of each row's run; a run ends where the next begins, the last one at the last frame.
    /// If there are more rows than frames, several begin at the first one.
    ///
    /// # Panics
    /// If `starts` has not one place for each row.
    pub fn starts(&self, starts: &mut [usize]) {
        assert_eq!(starts.len(), self.rows, "one place for each row");
        let mut frame = self.frames.saturating_sub(1);
        for (row, start) in starts.iter_mut().enumerate().rev() {
            let entered = &self.entered[row * self.frames..][..self.frames];
            while frame > 0 && entered[frame] == 0 {
                frame -= 1;
            }
            *start = frame;
            frame = frame.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(scores: &[Vec<f32>]) -> Vec<usize> {
        let frames = scores[0].len();
        let mut warp = Warp::new(scores.len(), frames + 3);
        warp.begin(frames);
        scores.iter().for_each(|row| warp.push(row));
        let mut starts = vec![0; scores.len()];
        warp.starts(&mut starts);
        starts
    }

    /// The largest sum of any cut of the frames from `frame` on among the rows, by trying all of them.
    fn best(scores: &[Vec<f32>], frame: usize) -> f32 {
        let Some((row, rest)) = scores.split_first() else {
            return f32::NEG_INFINITY;
        };
        if rest.is_empty() {
            return row[frame..].iter().sum();
        }
        let ends = frame + 1..=row.len() - rest.len();
        ends.map(|end| row[frame..end].iter().sum::<f32>() + best(rest, end))
            .fold(f32::NEG_INFINITY, f32::max)
    }

    proptest! {
        #[test]
        fn no_other_cut_is_better(
            scores in (1usize..6, 0usize..6).prop_flat_map(|(rows, more)| {
                // Small whole numbers: sums are exact, and there are ties.
                let row = proptest::collection::vec((0u8..5).prop_map(f32::from), rows + more);
                proptest::collection::vec(row, rows)
            })
        ) {
            let starts = cut(&scores);
            let frames = scores[0].len();
            prop_assert_eq!(starts[0], 0);
            prop_assert!(starts.is_sorted_by(|a, b| a < b), "every row has a frame: {:?}", starts);
            let ends = starts.iter().skip(1).copied().chain([frames]);
            let sum: f32 = (scores.iter().zip(starts.iter().zip(ends)))
                .map(|(row, (&start, end))| row[start..end].iter().sum::<f32>())
                .sum();
            prop_assert_eq!(sum, best(&scores, 0));
        }
    }

    #[test]
    fn more_rows_than_frames_begin_in_order() {
        let starts = cut(&vec![vec![1.0, 1.0]; 5]);
        assert!(starts.is_sorted() && starts.iter().all(|&start| start < 2), "{starts:?}");
    }

    #[test]
    fn scores_that_are_not_finite_give_some_cut() {
        let starts = cut(&[vec![f32::NAN; 4], vec![f32::INFINITY; 4], vec![f32::NEG_INFINITY; 4]]);
        assert!(starts.is_sorted() && starts.iter().all(|&start| start < 4), "{starts:?}");
    }
}
