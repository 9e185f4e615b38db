//! Samples of any width as the engine's ways of storing them.

use crate::audio::Encoding;

/// Full scale of an integer of 32 bits.
const SCALE: f32 = 2_147_483_648.0;

/// Turns samples of 1 to 4 bytes into an [`Encoding`]: those of 1 (unsigned) and 2 bytes into integers of 16 bits, which are
/// exact; those of 3 and 4 into floats, as the library reads recordings. A sample that is cut in two waits for its other half.
pub(super) struct Widths {
    width: usize,
    /// The beginning of a sample.
    held: Vec<u8>,
    /// What the last piece has become.
    out: Vec<u8>,
}

impl Widths {
    /// For samples of `width` bytes; none if there are no such.
    pub(super) fn new(width: usize) -> Option<Self> {
        (1..=4).contains(&width).then(|| Widths { width, held: Vec::new(), out: Vec::new() })
    }

    /// The way in which [`convert`](Self::convert) stores samples.
    pub(super) fn encoding(&self) -> Encoding {
        if self.width <= 2 { Encoding::Linear16 } else { Encoding::Linear32 }
    }

    /// Bytes that wait for the rest of their sample.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// The samples of a piece.
    pub(super) fn convert<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.width == 2 {
            return bytes;
        }
        self.held.extend_from_slice(bytes);
        self.out.clear();
        let whole = self.held.len() - self.held.len() % self.width;
        for sample in self.held[..whole].chunks_exact(self.width) {
            match *sample {
                [a] => self.out.extend(((i16::from(a) - 128) << 8).to_le_bytes()),
                [a, b, c] => self.out.extend(float([0, a, b, c])),
                [a, b, c, d] => self.out.extend(float([a, b, c, d])),
                _ => {}
            }
        }
        self.held.drain(..whole);
        &self.out
    }
}

fn float(bytes: [u8; 4]) -> [u8; 4] {
    (i32::from_le_bytes(bytes) as f32 / SCALE).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(width: usize, bytes: &[u8], piece: usize) -> (Vec<u8>, usize) {
        let mut widths = Widths::new(width).unwrap();
        let mut all = Vec::new();
        bytes.chunks(piece).for_each(|piece| all.extend_from_slice(widths.convert(piece)));
        (all, widths.held())
    }

    #[test]
    fn each_width_keeps_its_values_however_it_is_split() {
        let half = 0.5_f32.to_le_bytes();
        for piece in 1..=4 {
            assert_eq!(converted(1, &[0, 128, 255], piece).0, [0, 0x80, 0, 0, 0, 0x7F]);
            assert_eq!(converted(2, &[1, 2, 3], piece).0, [1, 2, 3]);
            assert_eq!(converted(3, &[0, 0, 0x40, 9], piece), (half.to_vec(), 1));
            assert_eq!(converted(4, &[0, 0, 0, 0x40, 9, 9], piece), (half.to_vec(), 2));
        }
        assert!(Widths::new(0).is_none() && Widths::new(5).is_none());
    }
}
