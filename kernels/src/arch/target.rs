//! Targets: values that prove that an instruction set may be used.

/// Something to run with an instruction set enabled. Its `run` must be `#[inline(always)]`, to be compiled for it.
pub(crate) trait Task {
    /// Runs it.
    ///
    /// # Safety
    /// As the task says.
    unsafe fn run(self);
}

/// Proof that an instruction set may be used.
///
/// # Safety
/// A value can only be made where the instruction set may be used.
pub(crate) unsafe trait Target: Copy {
    /// Runs a task with the instruction set enabled.
    ///
    /// # Safety
    /// As the task says.
    unsafe fn enter(self, task: impl Task);
}

/// A [`Target`] with some features.
macro_rules! target {
    ($(#[$meta:meta])* $name:ident, $features:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(());

        impl $name {
            /// The target: safe to make where the compiler may use the instruction set.
            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn new() -> Self {
                $name(())
            }
        }

        // SAFETY: the field is private, and `new` needs the features.
        unsafe impl $crate::arch::target::Target for $name {
            #[target_feature(enable = $features)]
            unsafe fn enter(self, task: impl $crate::arch::target::Task) {
                // SAFETY: the caller's promise.
                unsafe { task.run() }
            }
        }
    };
}
pub(crate) use target;

/// Methods of a target that are intrinsics: `fn name(arguments) -> result = expression;` on values, or `unsafe fn` on memory
/// that the caller answers for.
macro_rules! intrinsics {
    () => {};
    (fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty = $value:expr; $($more:tt)*) => {
        #[inline(always)]
        fn $name(self, $($arg: $type),*) -> $result {
            // SAFETY: `self` is proof of the instruction set; what is read are values and what references point to.
            unsafe { $value }
        }
        $crate::arch::target::intrinsics! { $($more)* }
    };
    (unsafe fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $value:expr; $($more:tt)*) => {
        #[inline(always)]
        unsafe fn $name(self, $($arg: $type),*) $(-> $result)? {
            // SAFETY: `self` is proof of the instruction set; the caller's promise of the memory.
            unsafe { $value }
        }
        $crate::arch::target::intrinsics! { $($more)* }
    };
}
pub(crate) use intrinsics;
