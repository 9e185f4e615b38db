//! IEEE 754 binary16 in plain Rust, for instruction sets without a conversion.

/// The value of binary16 bits. Plain arithmetic without a branch, so that loops over it become vectors.
#[inline(always)]
pub(crate) fn to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    // The exponents differ by 112. Multiplying by 2^112 also puts subnormal numbers right.
    let scaled = f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23);
    let special = f32::from_bits(magnitude | 0x7f80_0000);
    let value = if magnitude >= 0x0f80_0000 { special } else { scaled };
    f32::from_bits(value.to_bits() | sign)
}

/// The nearest binary16, ties to even.
#[inline(always)]
pub(crate) fn from_f32(x: f32) -> u16 {
    let sign = ((x.to_bits() >> 16) & 0x8000) as u16;
    let magnitude = x.to_bits() & 0x7fff_ffff;
    // Rounds the thirteen bits that go; a carry into the exponent is what it should be.
    let normal = (magnitude.wrapping_sub(112 << 23).wrapping_add(0xfff + ((magnitude >> 13) & 1))) >> 13;
    // Below 2^-14: adding 1/2 rounds at the last place of a subnormal binary16.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits();
    let value = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x4780_0000 {
        // From 2^16 on, infinity included.
        0x7c00
    } else if magnitude < 0x3880_0000 {
        subnormal
    } else {
        normal
    };
    value as u16 | sign
}
