//! From an operation to its code for the instruction set in use.
//!
//! Every operation chooses for itself, by one predictable branch on [`isa::active`](super::isa::active); where the compiler
//! may assume an instruction set (`-C target-cpu`), that is a constant and the branch is gone.

/// Functions that are compiled once for each instruction set: `pub fn name(arguments) -> result = body;`, where `body` is an
/// `#[inline(always)]` function whose first argument is the [target](super::target) to compile for.
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
                $body($crate::arch::scalar::Scalar, $($arg),*)
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

/// `with_panels!(run(argument))` is `run(target, argument)` with the target of the active instruction set: for products, which
/// are too large to be compiled as one function and so enable the instruction set for each tile.
macro_rules! with_panels {
    ($run:ident($($arg:ident),*)) => {
        match $crate::arch::isa::active() {
            #[cfg(target_arch = "x86_64")]
            $crate::arch::isa::Isa::Avx512 => {
                // SAFETY: the machine has the instruction set that is active.
                let target = unsafe { $crate::arch::avx512::Avx512::new() };
                $run(target, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::arch::isa::Isa::Avx2 => {
                // SAFETY: the machine has the instruction set that is active.
                let target = unsafe { $crate::arch::avx2::Avx2::new() };
                $run(target, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            $crate::arch::isa::Isa::Neon => {
                // SAFETY: the machine has the instruction set that is active.
                let target = unsafe { $crate::arch::neon::Neon::new() };
                $run(target, $($arg),*)
            }
            _ => $run($crate::arch::scalar::Scalar, $($arg),*),
        }
    };
}
pub(crate) use with_panels;

/// As [`with_panels!`], for products of bytes: AVX2 and NEON with the 8-bit dot product where the machine has it. The sums
/// are exact either way.
macro_rules! with_dots {
    ($run:ident($($arg:ident),*)) => {
        match $crate::arch::isa::active() {
            #[cfg(target_arch = "x86_64")]
            $crate::arch::isa::Isa::Avx2 if is_x86_feature_detected!("avxvnni") => {
                // SAFETY: the machine has the instruction set that is active, and the dot product was found.
                let target = unsafe { $crate::arch::avx2::AvxVnni::new() };
                $run(target, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            $crate::arch::isa::Isa::Neon if std::arch::is_aarch64_feature_detected!("dotprod") => {
                // SAFETY: the machine has the instruction set that is active, and the dot product was found.
                let target = unsafe { $crate::arch::neon::NeonDot::new() };
                $run(target, $($arg),*)
            }
            _ => $crate::arch::dispatch::with_panels!($run($($arg),*)),
        }
    };
}
pub(crate) use with_dots;
