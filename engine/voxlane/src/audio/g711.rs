//! ITU-T G.711: 8-bit codes with a logarithmic step.

/// A-law → linear, scaled to 16 bits.
pub(super) fn a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = ((code >> 4) & 7, i16::from(code & 15));
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

/// µ-law → linear, scaled to 16 bits.
pub(super) fn mu_law(code: u8) -> i16 {
    let code = !code;
    let (exponent, mantissa) = ((code >> 4) & 7, i16::from(code & 15));
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_tables_have_the_values_of_the_standard() {
        // Ends of the segments, scaled from 13 and 14 bits to 16.
        for (code, linear) in [(0xD5, 8), (0x55, -8), (0x80, 5504), (0xAA, 32_256), (0x2A, -32_256)] {
            assert_eq!(a_law(code), linear, "A-law {code:#04x}");
        }
        for (code, linear) in [(0xFF, 0), (0x7F, 0), (0x80, 32_124), (0x00, -32_124), (0xFE, 8), (0xEF, 132)]
        {
            assert_eq!(mu_law(code), linear, "µ-law {code:#04x}");
        }
    }
}
