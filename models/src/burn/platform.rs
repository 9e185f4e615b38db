//! The backends of Burn that can be built in, and the devices that each finds.
//!
//! A device that is asked for and is not there is an error, returned before anything is put onto it: Burn itself
//! would panic, or take another one.

use crate::burn::dtype;
use crate::device::Float;
use burn_tensor::backend::Backend;
use thiserror::Error;

/// Why a network cannot run on a device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no such device. Another number helps.
    #[error("{backend}: no device {index} (expected one of {})", if found.is_empty() { "none".to_owned() } else { found.join(", ") })]
    Absent {
        /// The backend.
        backend: &'static str,
        /// The number that was asked for.
        index: usize,
        /// What there is, in order.
        found: Vec<String>,
    },
    /// The libraries that the backend loads when it starts are not there. Installing them helps.
    #[error("{backend}: {library} cannot be loaded")]
    Library {
        /// The backend.
        backend: &'static str,
        /// What is missing.
        library: &'static str,
    },
    /// The device does not compute with such numbers. Others help.
    #[error("{backend}: {device} does not compute with {float}")]
    Float {
        /// The backend.
        backend: &'static str,
        /// The device.
        device: String,
        /// The numbers.
        float: Float,
    },
}

/// A backend of Burn and its devices.
pub trait Platform: Backend {
    /// The word for it in configurations.
    const NAME: &'static str;

    /// The names of the devices that it finds, in the order of their numbers.
    ///
    /// # Errors
    /// [`DeviceError::Library`].
    fn found() -> Result<Vec<String>, DeviceError>;

    /// Device number `index`, which has been found.
    fn at(index: usize) -> Self::Device;

    /// Device number `index`.
    ///
    /// # Errors
    /// [`DeviceError::Absent`], [`DeviceError::Library`], or [`DeviceError::Float`] if it does not compute with
    /// `float`.
    fn device(index: usize, float: Float) -> Result<Self::Device, DeviceError> {
        let found = Self::found()?;
        let Some(name) = found.get(index) else {
            return Err(DeviceError::Absent { backend: Self::NAME, index, found });
        };
        let device = Self::at(index);
        if Self::supports_dtype(&device, dtype(float)) {
            Ok(device)
        } else {
            Err(DeviceError::Float { backend: Self::NAME, device: name.clone(), float })
        }
    }
}

#[cfg(feature = "flex")]
mod flex {
    use super::{DeviceError, Platform};
    use burn_flex::{Flex, FlexDevice};

    impl Platform for Flex {
        const NAME: &'static str = "flex";

        fn found() -> Result<Vec<String>, DeviceError> {
            Ok(vec!["the processor".to_owned()])
        }

        fn at(_index: usize) -> FlexDevice {
            FlexDevice
        }
    }
}

#[cfg(feature = "flex")]
pub use burn_flex::Flex;

#[cfg(feature = "wgpu")]
mod wgpu {
    use super::{DeviceError, Platform};
    use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};
    use burn_wgpu::{CubeBackend, WgpuDevice, WgpuRuntime};
    use wgpu::DeviceType;

    /// Burn on wgpu, one kernel for each operation.
    pub type Wgpu = CubeBackend<WgpuRuntime, f32, i32, u32>;

    /// The adapters of the graphics interface that Burn takes on this system.
    fn adapters() -> Vec<wgpu::AdapterInfo> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = burn_tensor::read_sync(instance.enumerate_adapters(AutoGraphicsApi::backend().into()));
        adapters.iter().map(wgpu::Adapter::get_info).collect()
    }

    pub(super) fn found() -> Vec<String> {
        let name =
            |info: wgpu::AdapterInfo| format!("{} ({:?}, {})", info.name, info.device_type, info.backend);
        adapters().into_iter().map(name).collect()
    }

    /// Burn counts the adapters of each kind.
    pub(super) fn at(index: usize) -> WgpuDevice {
        let kinds: Vec<DeviceType> = adapters().into_iter().map(|info| info.device_type).collect();
        let Some(&kind) = kinds.get(index) else { return WgpuDevice::DefaultDevice };
        let number = kinds[..index].iter().filter(|&&other| other == kind).count();
        match kind {
            DeviceType::DiscreteGpu => WgpuDevice::DiscreteGpu(number),
            DeviceType::IntegratedGpu => WgpuDevice::IntegratedGpu(number),
            DeviceType::VirtualGpu => WgpuDevice::VirtualGpu(number),
            DeviceType::Cpu => WgpuDevice::Cpu,
            DeviceType::Other => WgpuDevice::DefaultDevice,
        }
    }

    macro_rules! platform {
        ($backend:ty) => {
            impl Platform for $backend {
                const NAME: &'static str = "wgpu";

                fn found() -> Result<Vec<String>, DeviceError> {
                    Ok(found())
                }

                fn at(index: usize) -> WgpuDevice {
                    at(index)
                }
            }
        };
    }

    platform!(Wgpu);
    #[cfg(feature = "fusion")]
    platform!(burn_wgpu::Wgpu);
}

#[cfg(feature = "wgpu")]
pub use self::wgpu::Wgpu;
#[cfg(all(feature = "wgpu", feature = "fusion"))]
pub use burn_wgpu::Wgpu as FusedWgpu;

#[cfg(feature = "cuda")]
mod cuda {
    use super::{DeviceError, Platform};
    use burn_cubecl::CubeBackend;
    use burn_cubecl::cubecl::cuda::CudaRuntime;
    use burn_cuda::CudaDevice;

    /// Burn on CUDA, one kernel for each operation.
    pub type Cuda = CubeBackend<CudaRuntime, f32, i32, u8>;

    pub(super) fn found() -> Result<Vec<String>, DeviceError> {
        let missing = |library| DeviceError::Library { backend: "cuda", library };
        // SAFETY: these load a library and look no further.
        let (has_driver, has_compiler) =
            unsafe { (cudarc::driver::sys::is_culib_present(), cudarc::nvrtc::sys::is_culib_present()) };
        if !has_driver || cudarc::driver::result::init().is_err() {
            return Err(missing("NVIDIA's driver (libcuda)"));
        }
        if !has_compiler {
            return Err(missing("CUDA's runtime compiler (libnvrtc)"));
        }
        let count = cudarc::driver::result::device::get_count().unwrap_or(0);
        let name = |index| {
            let device = cudarc::driver::result::device::get(index).ok()?;
            cudarc::driver::result::device::get_name(device).ok()
        };
        Ok((0..count).map(|index| name(index).unwrap_or_else(|| "unnamed".to_owned())).collect())
    }

    macro_rules! platform {
        ($backend:ty) => {
            impl Platform for $backend {
                const NAME: &'static str = "cuda";

                fn found() -> Result<Vec<String>, DeviceError> {
                    found()
                }

                fn at(index: usize) -> CudaDevice {
                    CudaDevice::new(index)
                }
            }
        };
    }

    platform!(Cuda);
    #[cfg(feature = "fusion")]
    platform!(burn_cuda::Cuda);
}

#[cfg(feature = "cuda")]
pub use self::cuda::Cuda;
#[cfg(all(feature = "cuda", feature = "fusion"))]
pub use burn_cuda::Cuda as FusedCuda;

/// Where CUDA and wgpu keep what tuning found, from one start to the next. To be called before the first of them is
/// used; later it changes nothing.
pub fn keep_tuning_in(folder: &std::path::Path) {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    {
        use burn_cubecl::cubecl::config::cache::CacheConfig;
        use burn_cubecl::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
        let mut current = CubeClRuntimeConfig::storage().lock();
        if current.is_none() {
            let mut config = CubeClRuntimeConfig::default().override_from_env();
            config.autotune.cache = CacheConfig::File(folder.to_owned());
            *current = Some(std::sync::Arc::new(config));
        }
    }
    #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
    let _ = folder;
}

/// What each backend that is built in finds: its word, and the names of its devices in the order of their numbers.
pub fn all_found() -> Vec<(&'static str, Result<Vec<String>, DeviceError>)> {
    vec![
        #[cfg(feature = "flex")]
        (Flex::NAME, Flex::found()),
        #[cfg(feature = "wgpu")]
        (Wgpu::NAME, Wgpu::found()),
        #[cfg(feature = "cuda")]
        (Cuda::NAME, Cuda::found()),
    ]
}
