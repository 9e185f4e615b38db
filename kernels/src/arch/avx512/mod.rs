//! AVX-512.

mod dots;
mod f32;

super::target::target! {
    /// The machine has AVX-512 F, BW, DQ, VL and VNNI.
    Avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"
}
