//! What a network runs on, and how: words of a configuration, whether or not Burn is built in.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a network runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The processor, by our own kernels.
    #[default]
    Cpu,
    /// The processor, by Burn: the reference of the next two.
    Flex,
    /// A GPU by Vulkan, Metal or DirectX 12.
    Wgpu,
    /// A GPU of NVIDIA's by CUDA.
    Cuda,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Cpu => "cpu",
            Backend::Flex => "flex",
            Backend::Wgpu => "wgpu",
            Backend::Cuda => "cuda",
        })
    }
}

/// The numbers that a device computes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Float {
    /// 32 bits. On CUDA, products of matrices may round their inputs to TF32 (11 significant bits) where tuning
    /// finds tensor cores faster; Burn 0.21 does not let that be chosen.
    #[default]
    F32,
    /// 16 bits, 11 of them significant.
    F16,
    /// 16 bits, 8 of them significant.
    Bf16,
}

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Float::F32 => "f32",
            Float::F16 => "f16",
            Float::Bf16 => "bf16",
        })
    }
}

/// How a network runs on a device. Read by the model loader, for every backend but `cpu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceOptions {
    /// The numbers that it computes with: `f32`, `f16` or `bf16`. Default `f32`.
    pub float: Float,
    /// Segments that each lane decodes at the same time, 1 to 1024. Default 8. Every step runs all of these
    /// places, taken or not.
    pub batch: usize,
    /// Decode steps that the device is given before the first is waited for, 1 to 4. Default 2: it works on the
    /// next step while the host looks at the last. Each beyond the first is wasted once a segment.
    pub steps_in_flight: usize,
    /// Whether Burn joins operations into kernels of its own making. Default false: it can cost networks of many
    /// small operations more than it gains. Needs the Cargo feature `fusion`.
    pub fusion: bool,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        DeviceOptions { float: Float::F32, batch: 8, steps_in_flight: 2, fusion: false }
    }
}
