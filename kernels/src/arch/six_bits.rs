//! 6-bit weights of sixteen outputs, four steps of four inputs together.

use super::panel::LINE;

/// Steps whose weights are packed together.
pub(crate) const STEPS: usize = 4;
/// Bytes of one group of one panel: the lower four bits of two steps, those of the other two, the upper two bits
/// of all.
pub(crate) const GROUP_BYTES: usize = 3 * LINE;

/// The operands of a group, step by step.
#[inline(always)]
pub(crate) fn unpack(group: &[u8; GROUP_BYTES]) -> [[i8; LINE]; STEPS] {
    let mut steps = [[0; LINE]; STEPS];
    for (step, weights) in steps.iter_mut().enumerate() {
        for (lane, weight) in weights.iter_mut().enumerate() {
            let (lower, upper) = (group[step / 2 * LINE + lane], group[2 * LINE + lane]);
            let lower = if step % 2 == 0 { lower << 2 } else { lower >> 2 };
            *weight = ((lower & 0x3c) | ((upper << (2 * step)) & 0xc0)) as i8;
        }
    }
    steps
}
