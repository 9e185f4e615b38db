//! From an operation to its code for the instruction set in use.
//!
//! Every operation chooses for itself, by one predictable branch on [`isa::active`](super::isa::active); where the compiler
//! may assume an instruction set (`-C target-cpu`), that is a constant and the branch is gone.

/// Functions that are compiled once for each instruction set: `pub fn name(arguments) -> result = body;`, where `body` is an
/// `#[inline(always)]` function whose first argument is the token of an instruction set.
macro_rules! instruction_sets {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:ident;)+) => {$(
        $(#[$meta])*
        #[inline]
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
            fn avx512($($arg: $type),*) $(-> $result)? {
                $body($crate::arch::avx512::Avx512::new(), $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2($($arg: $type),*) $(-> $result)? {
                $body($crate::arch::avx2::Avx2::new(), $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            fn neon($($arg: $type),*) $(-> $result)? {
                $body($crate::arch::neon::Neon::new(), $($arg),*)
            }
            #[inline(never)]
            fn scalar($($arg: $type),*) $(-> $result)? {
                $body($crate::arch::scalar::Portable, $($arg),*)
            }
            // SAFETY: the machine has the instruction set that is active.
            unsafe {
                match $crate::arch::isa::active() {
                    #[cfg(target_arch = "x86_64")]
                    $crate::arch::isa::Isa::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::arch::isa::Isa::Avx2 => avx2($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    $crate::arch::isa::Isa::Neon => neon($($arg),*),
                    _ => scalar($($arg),*),
                }
            }
        }
    )+};
}
pub(crate) use instruction_sets;

/// `with_lanes!(run(argument))` is `run::<L>(argument)` with the lanes of the active instruction set. `run` may demand that the
/// machine has the instruction set.
macro_rules! with_lanes {
    ($run:ident($($arg:expr),*)) => {
        // SAFETY: the machine has the instruction set that is active.
        unsafe {
            match $crate::arch::isa::active() {
                #[cfg(target_arch = "x86_64")]
                $crate::arch::isa::Isa::Avx512 => $run::<$crate::arch::lanes::Avx512>($($arg),*),
                #[cfg(target_arch = "x86_64")]
                $crate::arch::isa::Isa::Avx2 => $run::<$crate::arch::lanes::Avx2>($($arg),*),
                #[cfg(target_arch = "aarch64")]
                $crate::arch::isa::Isa::Neon => $run::<$crate::arch::lanes::Neon>($($arg),*),
                _ => $run::<$crate::arch::lanes::Scalar>($($arg),*),
            }
        }
    };
}
pub(crate) use with_lanes;

/// As [`with_lanes!`], for products of bytes: AVX2 and NEON with the 8-bit dot product where the machine has it. The sums are exact
/// either way.
macro_rules! with_dots {
    ($run:ident($($arg:expr),*)) => {
        // SAFETY: the machine has the instruction set that is active, and the dot product where it was found.
        unsafe {
            match $crate::arch::isa::active() {
                #[cfg(target_arch = "x86_64")]
                $crate::arch::isa::Isa::Avx512 => $run::<$crate::arch::lanes::Avx512>($($arg),*),
                #[cfg(target_arch = "x86_64")]
                $crate::arch::isa::Isa::Avx2 if is_x86_feature_detected!("avxvnni") => {
                    $run::<$crate::arch::lanes::AvxVnni>($($arg),*)
                }
                #[cfg(target_arch = "x86_64")]
                $crate::arch::isa::Isa::Avx2 => $run::<$crate::arch::lanes::Avx2>($($arg),*),
                #[cfg(target_arch = "aarch64")]
                $crate::arch::isa::Isa::Neon if std::arch::is_aarch64_feature_detected!("dotprod") => {
                    $run::<$crate::arch::lanes::NeonDot>($($arg),*)
                }
                #[cfg(target_arch = "aarch64")]
                $crate::arch::isa::Isa::Neon => $run::<$crate::arch::lanes::Neon>($($arg),*),
                _ => $run::<$crate::arch::lanes::Scalar>($($arg),*),
            }
        }
    };
}
pub(crate) use with_dots;
