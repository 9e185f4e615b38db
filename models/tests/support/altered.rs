//! Packed files whose fields were altered and hashed again, as by somebody who means harm.

use crate::support::Noise;
use sha2::{Digest as _, Sha256};

/// Values that lengths, sizes and choices go wrong with.
const SPECIAL: [u64; 16] =
    [0, 1, 2, 3, 7, 8, 63, 65, 256, 1 << 16, 1 << 24, 1 << 31, 1 << 40, 1 << 62, (1 << 61) + 36, u64::MAX];

/// `whole` with one field changed and the hash made right again: by turns a choice, a number that becomes a special one,
/// a number that becomes a little more or less. Half of the changes fall into the network's sizes, which come first.
pub fn altered(whole: &[u8], round: usize, noise: &mut Noise) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let len = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    let fields = &mut bytes[64..64 + len];
    let at = noise.below(if round.is_multiple_of(2) { len - 8 } else { 400 });
    match round % 3 {
        0 => fields[at] = [0, 1, 2, 3, 255][noise.below(5)],
        1 => fields[at..at + 8].copy_from_slice(&SPECIAL[noise.below(16)].to_le_bytes()),
        _ => {
            let old = u64::from_le_bytes(fields[at..at + 8].try_into().unwrap());
            let by = [1, 8, 64, u64::MAX, 8u64.wrapping_neg()][noise.below(5)];
            fields[at..at + 8].copy_from_slice(&old.wrapping_add(by).to_le_bytes());
        }
    }
    let hash = Sha256::digest(fields);
    bytes[32..64].copy_from_slice(&hash);
    bytes
}
