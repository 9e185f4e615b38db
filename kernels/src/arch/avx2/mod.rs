//! AVX2, without and with the 8-bit dot product.

mod dots;
mod f32;

super::target::target! {
    /// The machine has AVX2, FMA and F16C.
    Avx2, "avx2,fma,f16c"
}

super::target::target! {
    /// The machine has AVX2, FMA, F16C and AVX-VNNI.
    AvxVnni, "avx2,fma,f16c,avxvnni"
}
