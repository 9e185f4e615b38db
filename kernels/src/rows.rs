//! Rows of a matrix inside a slice, with a stride.

/// Rows to read: row `r` is `data[r * stride ..][.. width]`, where the width comes from the operation.
///
/// Rows may overlap (`stride < width`). That is how a convolution over channel-last data runs as a matrix
/// product without copying patches: kernel 7, step 3 over `[time][288]` is rows of width 2016 with stride 864.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Distance between the starts of two rows, in values.
    pub stride: usize,
    /// Number of rows.
    pub count: usize,
}

/// Rows to write, laid out like [`Rows`] but never overlapping.
#[derive(Debug)]
pub struct RowsMut<'a> {
    /// The values.
    pub data: &'a mut [f32],
    /// Distance between the starts of two rows, in values.
    pub stride: usize,
    /// Number of rows.
    pub count: usize,
}

impl<'a> Rows<'a> {
    /// `count` rows, `stride` values apart.
    #[inline]
    pub fn new(data: &'a [f32], stride: usize, count: usize) -> Self {
        Self { data, stride, count }
    }

    /// Rows that lie one after the other without gaps: as many as `data` holds whole.
    ///
    /// # Panics
    /// If `width` is 0.
    #[inline]
    pub fn dense(data: &'a [f32], width: usize) -> Self {
        Self { data, stride: width, count: data.len() / width }
    }

    /// The single row `row`.
    #[inline]
    pub fn one(row: &'a [f32]) -> Self {
        Self { data: row, stride: row.len(), count: 1 }
    }

    /// Row `index`, `width` values.
    ///
    /// # Panics
    /// If the row is not inside `data`.
    #[inline]
    pub fn row(&self, index: usize, width: usize) -> &'a [f32] {
        &self.data[index * self.stride..][..width]
    }

    /// The rows from `first` on, `count` of them.
    ///
    /// # Panics
    /// If there are not that many rows.
    #[inline]
    pub fn range(&self, first: usize, count: usize) -> Rows<'a> {
        assert!(first + count <= self.count, "rows {first}+{count} of {}", self.count);
        Rows { data: &self.data[(first * self.stride).min(self.data.len())..], stride: self.stride, count }
    }

    /// Whether every row of `width` values lies inside `data`.
    #[inline]
    pub fn fits(&self, width: usize) -> bool {
        fits(self.data.len(), self.stride, self.count, width)
    }
}

impl<'a> RowsMut<'a> {
    /// `count` rows, `stride` values apart.
    #[inline]
    pub fn new(data: &'a mut [f32], stride: usize, count: usize) -> Self {
        Self { data, stride, count }
    }

    /// Rows that lie one after the other without gaps: as many as `data` holds whole.
    ///
    /// # Panics
    /// If `width` is 0.
    #[inline]
    pub fn dense(data: &'a mut [f32], width: usize) -> Self {
        let count = data.len() / width;
        Self { data, stride: width, count }
    }

    /// The single row `row`.
    #[inline]
    pub fn one(row: &'a mut [f32]) -> Self {
        let stride = row.len();
        Self { data: row, stride, count: 1 }
    }

    /// Row `index`, `width` values.
    ///
    /// # Panics
    /// If the row is not inside `data`.
    #[inline]
    pub fn row(&mut self, index: usize, width: usize) -> &mut [f32] {
        &mut self.data[index * self.stride..][..width]
    }

    /// Whether every row of `width` values lies inside `data` and no two rows overlap.
    #[inline]
    pub fn fits(&self, width: usize) -> bool {
        (self.stride >= width || self.count <= 1) && fits(self.data.len(), self.stride, self.count, width)
    }
}

fn fits(len: usize, stride: usize, count: usize, width: usize) -> bool {
    let Some(last) = count.checked_sub(1) else { return true };
    last.checked_mul(stride).and_then(|start| start.checked_add(width)).is_some_and(|end| end <= len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_rows_may_be_read_but_not_written() {
        let mut data = [0.0, 1.0, 2.0, 3.0, 4.0];
        let rows = Rows::new(&data, 1, 3);
        assert!(rows.fits(3));
        assert!(!rows.fits(4));
        assert_eq!(rows.row(2, 3), [2.0, 3.0, 4.0]);
        assert_eq!(rows.range(1, 2).row(0, 3), [1.0, 2.0, 3.0]);
        assert!(!RowsMut::new(&mut data, 1, 3).fits(3));
    }

    #[test]
    fn sizes_that_overflow_do_not_fit() {
        assert!(!Rows::new(&[], usize::MAX, 3).fits(1));
        assert!(Rows::new(&[], usize::MAX, 0).fits(1));
    }
}
