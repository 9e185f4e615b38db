//! Moonshine on the backends of Burn that are built in.

use super::files::import_moonshine;
use crate::burn::{BurnMoonshine, platform};
use crate::device::Backend;
use crate::dynamic::DynModel;
use crate::families::load::{LoadError, LoadOptions, Recognizer};
use crate::manager::ModelFiles;
use std::collections::{BTreeMap, btree_map::Entry};
use std::sync::Arc;

/// `feature: backend, fusion => type`.
macro_rules! backends {
    ($(#[$built:meta] $backend:path, $fusion:literal => $burn:ty),+ $(,)?) => {
        /// Whether the backend that is wanted is built in.
        pub(super) fn is_built(options: &LoadOptions) -> bool {
            match (options.backend, options.device.fusion) {
                $(#[$built] ($backend, $fusion) => true,)+
                _ => false,
            }
        }

        /// Loads a model onto the devices that lanes name.
        pub(super) fn on_device(files: &ModelFiles, options: &LoadOptions) -> Result<Recognizer, LoadError> {
            match (options.backend, options.device.fusion) {
                $(#[$built] ($backend, $fusion) => load::<$burn>(files, options),)+
                _ => Err(LoadError::not_built(options)),
            }
        }
    };
}

backends! {
    #[cfg(feature = "flex")] Backend::Flex, false => platform::Flex,
    #[cfg(feature = "wgpu")] Backend::Wgpu, false => platform::Wgpu,
    #[cfg(all(feature = "wgpu", feature = "fusion"))] Backend::Wgpu, true => platform::FusedWgpu,
    #[cfg(feature = "cuda")] Backend::Cuda, false => platform::Cuda,
    #[cfg(all(feature = "cuda", feature = "fusion"))] Backend::Cuda, true => platform::FusedCuda,
}

/// Puts the weights onto every device that a lane names, and runs all shapes once.
fn load<B: platform::Platform>(files: &ModelFiles, options: &LoadOptions) -> Result<Recognizer, LoadError> {
    let (weights, vocabulary) = import_moonshine(files)?;
    platform::keep_tuning_in(&files.dir().join("tuning"));
    let (device_options, mut devices) = (options.device, BTreeMap::new());
    for &index in &options.devices {
        if let Entry::Vacant(place) = devices.entry(index) {
            let device =
                B::device(index, device_options.float).map_err(|error| LoadError::Device(Box::new(error)))?;
            let model = BurnMoonshine::<B>::new(&weights, &device, device_options);
            let took = model.warm_up();
            tracing::info!(
                backend = B::NAME, index, float = %device_options.float, batch = device_options.batch,
                fusion = device_options.fusion, attention = "plain", "all shapes ran in {took:.1?}"
            );
            place.insert(Arc::new(DynModel::new(Arc::new(model))));
        }
    }
    let models = options.devices.iter().map(|device| Arc::clone(&devices[device])).collect();
    Ok(Recognizer { models, vocabulary: Arc::new(vocabulary) })
}
