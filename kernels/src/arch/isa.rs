//! Which instruction set the kernels run on: found once per process, forced by an environment variable, or built in.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The variable that forces an instruction set: `scalar`, `avx2`, `avx512` or `neon`.
pub const ISA_VARIABLE: &str = "VOXLANE_ISA";

/// An instruction set that the kernels have code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust, compiled for the target's baseline. Always there; the oracle of every other version.
    Scalar,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VNNI.
    Avx512,
    /// aarch64 with NEON (part of its baseline).
    Neon,
}

impl Isa {
    /// Every instruction set, in rising order of preference on its machine.
    pub const ALL: [Isa; 4] = [Isa::Scalar, Isa::Avx2, Isa::Avx512, Isa::Neon];

    /// The lower-case name, as [`ISA_VARIABLE`] spells it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Neon => "neon",
        }
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
                    && std::arch::is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.is_available()
                    && std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512dq")
                    && std::arch::is_x86_feature_detected!("avx512vl")
                    && std::arch::is_x86_feature_detected!("avx512vnni")
            }
            Isa::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => false,
        }
    }

    /// The instruction sets this machine can run, worst first. Never empty.
    pub fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }
}

/// An instruction set that was asked for, and why it is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsaError {
    /// The value names no instruction set.
    Unknown(String),
    /// The machine cannot run it.
    Unavailable(Isa),
    /// The program was built for another one.
    BuiltIn {
        /// What was asked for.
        asked: Isa,
        /// What was built in.
        built_in: Isa,
    },
}

impl std::fmt::Display for IsaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            IsaError::Unknown(value) => {
                write!(f, "{ISA_VARIABLE}={value:?} names no instruction set (scalar, avx2, avx512, neon)")
            }
            IsaError::Unavailable(isa) => {
                write!(f, "{ISA_VARIABLE}={} cannot run on this machine", isa.name())
            }
            IsaError::BuiltIn { asked, built_in } => {
                let (asked, built_in) = (asked.name(), built_in.name());
                write!(
                    f,
                    "{ISA_VARIABLE}={asked}: this program is built for {built_in} alone (-C target-cpu)"
                )
            }
        }
    }
}

impl std::error::Error for IsaError {}

/// The instruction set that the compiler may assume (`-C target-cpu`, or the target's baseline): it is then used without
/// asking the machine.
pub const BUILT_IN: Option<Isa> = if cfg!(all(
    target_arch = "x86_64",
    target_feature = "avx512f",
    target_feature = "avx512bw",
    target_feature = "avx512dq",
    target_feature = "avx512vl",
    target_feature = "avx512vnni",
    target_feature = "fma",
    target_feature = "f16c"
)) {
    Some(Isa::Avx512)
} else if cfg!(all(
    target_arch = "x86_64",
    target_feature = "avx2",
    target_feature = "fma",
    target_feature = "f16c"
)) {
    Some(Isa::Avx2)
} else if cfg!(target_arch = "aarch64") {
    Some(Isa::Neon)
} else {
    None
};

/// The instruction set to use given the value of [`ISA_VARIABLE`], if any.
///
/// # Errors
/// [`IsaError`] if the value names nothing, something this machine cannot run, or another than is built in.
pub fn choose(forced: Option<&str>) -> Result<Isa, IsaError> {
    match forced {
        None | Some("") => Ok(BUILT_IN.unwrap_or_else(|| Isa::available().last().unwrap_or(Isa::Scalar))),
        Some(name) => {
            let isa = Isa::ALL.into_iter().find(|isa| isa.name() == name);
            permit(isa.ok_or_else(|| IsaError::Unknown(name.to_owned()))?)
        }
    }
}

/// `isa`, if it can be used.
fn permit(isa: Isa) -> Result<Isa, IsaError> {
    match BUILT_IN {
        _ if !isa.is_available() => Err(IsaError::Unavailable(isa)),
        Some(built_in) if built_in != isa => Err(IsaError::BuiltIn { asked: isa, built_in }),
        _ => Ok(isa),
    }
}

/// The number of the instruction set in use; [`UNKNOWN`] before the first operation. Only [`permit`]ted ones are stored.
static ACTIVE: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = u8::MAX;

/// The instruction set of this process: the built-in one, the one that [`ISA_VARIABLE`] or [`select`] names, or the best
/// that the machine has. A variable that cannot be obeyed is reported by [`check`] and ignored here.
#[inline(always)]
pub fn active() -> Isa {
    if let Some(isa) = BUILT_IN {
        return isa;
    }
    match ACTIVE.load(Ordering::Relaxed) {
        0 => Isa::Scalar,
        1 => Isa::Avx2,
        2 => Isa::Avx512,
        3 => Isa::Neon,
        _ => detect(),
    }
}

#[cold]
#[inline(never)]
fn detect() -> Isa {
    let isa = check().unwrap_or_else(|_| choose(None).unwrap_or(Isa::Scalar));
    // Another thread may have selected one meanwhile.
    let _ = ACTIVE.compare_exchange(UNKNOWN, isa as u8, Ordering::Relaxed, Ordering::Relaxed);
    isa
}

/// Has all operations of this process use `isa` from now on: to compare instruction sets. Safe while other
/// threads compute, but an operation that they are within may then use both.
///
/// # Errors
/// [`IsaError::Unavailable`], or [`IsaError::BuiltIn`].
pub fn select(isa: Isa) -> Result<(), IsaError> {
    ACTIVE.store(permit(isa)? as u8, Ordering::Relaxed);
    Ok(())
}

/// What [`active`] will use, or why [`ISA_VARIABLE`] cannot be obeyed. Programs call it once at start.
///
/// # Errors
/// [`IsaError`] as for [`choose`].
pub fn check() -> Result<Isa, IsaError> {
    choose(std::env::var(ISA_VARIABLE).ok().as_deref())
}

/// How far ahead weights are fetched that are unpacked on the way, in bytes. Unpacking keeps so many instructions in flight that
/// few reads are: without hints a core of Zen 5 gets 23 of 27 GB/s from its third level, with them 26.6. Zen 4 does better
/// by itself: there the hints cost a decode step 17 % (`docs/optimization-log.md`). 0 is no hint.
pub(crate) fn fetch_ahead() -> usize {
    static AHEAD: OnceLock<usize> = OnceLock::new();
    *AHEAD.get_or_init(|| if is_zen_3_or_4() { 0 } else { 2048 })
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn is_zen_3_or_4() -> bool {
    use std::arch::x86_64::__cpuid;
    let vendor = __cpuid(0);
    let is_amd =
        [vendor.ebx, vendor.edx, vendor.ecx] == [*b"Auth", *b"enti", *b"cAMD"].map(u32::from_le_bytes);
    let version = __cpuid(1).eax;
    let family = (version >> 8 & 0xf) + (version >> 20 & 0xff);
    is_amd && family == 0x19
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn is_zen_3_or_4() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_is_always_available() {
        assert!(Isa::available().any(|isa| isa == Isa::Scalar));
        match BUILT_IN {
            None => assert_eq!(choose(Some("scalar")), Ok(Isa::Scalar)),
            Some(built_in) => {
                let error = IsaError::BuiltIn { asked: Isa::Scalar, built_in };
                assert_eq!(choose(Some("scalar")), Err(error.clone()));
                assert!(error.to_string().contains(built_in.name()));
                assert_eq!(active(), built_in);
            }
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_that_names_it() {
        let error = choose(Some("sse9")).unwrap_err();
        assert!(error.to_string().contains("sse9"));
    }
}
