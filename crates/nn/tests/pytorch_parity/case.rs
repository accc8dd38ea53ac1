//! One file of numbers, and the comparison with it.

use crate::Outcome;
use ndarray::{ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};
use unspool_graph::{Param, Params, Precision, Var};

/// One file.
pub(crate) struct Case {
    pub(crate) file: String,
    pub(crate) kind: String,
    pub(crate) config: Value,
    pub(crate) tensors: BTreeMap<String, ArrayD<f64>>,
}

impl Case {
    pub(crate) fn read(path: PathBuf) -> Result<Case, Box<dyn std::error::Error>> {
        let bytes = std::fs::read(&path)?;
        let all = SafeTensors::deserialize(&bytes)?;
        let metadata = SafeTensors::read_metadata(&bytes)?.1.metadata().clone().ok_or("no metadata")?;
        let mut tensors = BTreeMap::new();
        for (name, view) in all.tensors() {
            let eights = view.data().chunks_exact(8).map(|b| <[u8; 8]>::try_from(b).unwrap_or_default());
            let values: Vec<f64> = match view.dtype() {
                Dtype::BOOL => view.data().iter().copied().map(f64::from).collect(),
                Dtype::F64 => eights.map(f64::from_le_bytes).collect(),
                Dtype::I64 => eights.map(|b| i64::from_le_bytes(b) as f64).collect(),
                other => return Err(format!("{name} is {other:?}").into()),
            };
            tensors.insert(name, ArrayD::from_shape_vec(IxDyn(view.shape()), values)?);
        }
        let kind = metadata.get("kind").ok_or("no kind")?.clone();
        let config = serde_json::from_str(metadata.get("config").ok_or("no config")?)?;
        Ok(Case { file: path.display().to_string(), kind, config, tensors })
    }

    pub(crate) fn get(&self, name: &str) -> Result<&ArrayD<f64>, String> {
        self.tensors.get(name).ok_or_else(|| format!("{name} is not in the case"))
    }

    pub(crate) fn usize(&self, key: &str) -> Result<usize, String> {
        self.config[key].as_u64().map(|x| x as usize).ok_or_else(|| format!("no {key} in the configuration"))
    }

    pub(crate) fn f64(&self, key: &str) -> Result<f64, String> {
        self.config[key].as_f64().ok_or_else(|| format!("no {key} in the configuration"))
    }

    pub(crate) fn compare(&self, name: &str, actual: Option<ArrayD<f64>>, tolerance: f64) -> Result<(), String> {
        let expected = self.get(name)?;
        // No gradient at all is a gradient of zero.
        let actual = actual.unwrap_or_else(|| ArrayD::zeros(expected.raw_dim()));
        if actual.shape() != expected.shape() {
            return Err(format!("{name}: shape {:?}, expected {:?}", actual.shape(), expected.shape()));
        }
        for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
            let off = (a - e).abs() / e.abs().max(1.0);
            if off.is_nan() || off > tolerance {
                return Err(format!("{name}[{i}]: {a:e}, expected {e:e}"));
            }
        }
        Ok(())
    }

    /// Compares the outputs, walks back from Σ output · cotangent, and compares the gradients; every `output.`,
    /// `grad.input.` and `grad.param.` of the file must be among what is given.
    pub(crate) fn compare_all(
        &self,
        outputs: &[(&str, Var<'_>)],
        inputs: &[(&str, Var<'_>)],
        params: &[(String, Param)],
        tolerance: f64,
    ) -> Outcome {
        let mut loss: Option<Var<'_>> = None;
        let mut compared = vec![];
        for &(name, y) in outputs {
            self.compare(&format!("output.{name}"), Some(y.to_f64()?), tolerance)?;
            let part = (y * y.graph().input(self.get(&format!("cotangent.{name}"))?)).sum_all();
            loss = Some(loss.map_or(part, |loss| loss + part));
            compared.push(format!("output.{name}"));
        }
        let gradients = loss.ok_or("no output")?.backward()?;
        let value = |g: Option<unspool_graph::Tensor>| g.map(|g| g.to_f64());
        for (name, x) in inputs {
            self.compare(&format!("grad.input.{name}"), value(gradients.of(*x)), tolerance)?;
            compared.push(format!("grad.input.{name}"));
        }
        for (name, p) in params {
            self.compare(&format!("grad.param.{name}"), value(gradients.of(*p)), tolerance)?;
            compared.push(format!("grad.param.{name}"));
        }
        let wanted = |name: &&String| name.starts_with("output.") || name.starts_with("grad.");
        match self.tensors.keys().filter(wanted).find(|name| !compared.contains(name)) {
            Some(forgotten) => Err(format!("{forgotten} was not compared").into()),
            None => Ok(()),
        }
    }

    /// Gives the parameter the values of `param.NAME`.
    pub(crate) fn fill(&self, params: &mut Params, p: Param, name: &str) -> Outcome {
        Ok(params.set(p, self.get(&format!("param.{name}"))?)?)
    }

    /// Gives every parameter the values of its own name, and lists them.
    pub(crate) fn fill_all(&self, params: &mut Params) -> Result<Vec<(String, Param)>, Box<dyn std::error::Error>> {
        let named: Vec<(String, Param)> = params.iter().map(|p| (params.name(p).to_string(), p)).collect();
        for (name, p) in &named {
            self.fill(params, *p, name)?;
        }
        Ok(named)
    }
}

pub(crate) fn to(params: Params, precision: Precision) -> Params {
    match precision {
        Precision::F32 => params.to_f32(),
        Precision::F64 => params.to_f64(),
    }
}
