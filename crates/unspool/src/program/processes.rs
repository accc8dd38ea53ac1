//! Several processes of this program that train together, where `mpirun` has started them.

use super::error::{Error, Result};
use rayon::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use std::env;
use unspool::nn::exchange::{Exchange, own};

/// Does the work with the processes that were started together. What goes wrong in one of them alone ends all, with a line that names it
/// and its machine.
#[cfg(feature = "mpi")]
pub(crate) fn together(work: impl FnOnce(&dyn Exchange) -> Result<()>) -> Result<()> {
    /// An error that the other processes do not have.
    struct Alone(Error);
    impl std::fmt::Display for Alone {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.0.in_one_line())
        }
    }
    impl From<unspool::nn::Error> for Alone {
        fn from(error: unspool::nn::Error) -> Alone {
            Alone(error.into())
        }
    }
    let ended = unspool::nn::mpi::run(|exchange| match work(exchange) {
        Err(error) if !error.is_everywhere() => Err(Alone(error)),
        ended => Ok(ended),
    });
    ended.unwrap_or_else(|Alone(error)| Err(error))
}

/// Does the work alone.
#[cfg(not(feature = "mpi"))]
pub(crate) fn together(work: impl FnOnce(&dyn Exchange) -> Result<()>) -> Result<()> {
    if launched(&["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]) > 1 {
        return Err(Error::misuse(
            "several processes were started, but this program was built for one",
            "build it with `--features mpi`, as docs/scale.md says",
        ));
    }
    work(&unspool::nn::exchange::OneProcess)
}

/// Whether this process is the one that says what all have to say.
pub(crate) fn speaks() -> bool {
    launched(&["OMPI_COMM_WORLD_RANK", "PMI_RANK"]) == 0
}

/// A number that those who start processes leave to them: Open MPI under the first name, MPICH and its kin under the second.
fn launched(names: &[&str]) -> usize {
    let number = |name: &&str| env::var(name).ok()?.parse().ok();
    names.iter().find_map(number).unwrap_or(0)
}

/// Does something for each of so many things, each of them in one process; gives all, in order, in every process.
pub(crate) fn shared_out<P: Serialize + DeserializeOwned + Send>(
    exchange: &dyn Exchange,
    count: usize,
    each: impl Fn(usize) -> Result<P> + Sync,
) -> Result<Vec<P>> {
    let numbers: Vec<usize> = own(exchange, count).collect();
    let found = numbers.into_par_iter().map(&each).collect::<Result<Vec<P>>>()?;
    if exchange.ranks() <= 1 {
        return Ok(found);
    }
    let all = exchange.all_gather(&packed(&found)?)?;
    let all = all.iter().map(|bytes| unpacked::<Vec<P>>(bytes)).collect::<Result<Vec<_>>>()?;
    let (ranks, mut all) = (all.len(), all.into_iter().map(Vec::into_iter).collect::<Vec<_>>());
    (0..count).map(|number| all[number % ranks].next().ok_or_else(unreadable)).collect()
}

/// As bytes for another process, where it is what it was here, to the bit.
fn packed<P: Serialize + ?Sized>(value: &P) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|cause| Error::failure(format!("nothing that can be sent: {cause}"), ""))
}

fn unpacked<P: DeserializeOwned>(bytes: &[u8]) -> Result<P> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(unreadable()),
    }
}

fn unreadable() -> Error {
    Error::failure("what another process has sent cannot be read", "start one program alike everywhere")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use unspool::nn;

    /// The second of two processes, which hears from the first what it is told to.
    struct Second(Vec<u8>);

    impl Exchange for Second {
        fn rank(&self) -> usize {
            1
        }
        fn ranks(&self) -> usize {
            2
        }
        fn host(&self) -> String {
            "here".into()
        }
        fn all_to_all(&self, messages: &[&[u8]], received: &mut [Vec<u8>]) -> nn::Result<()> {
            received.clone_from_slice(&[self.0.clone(), messages[1].to_vec()]);
            Ok(())
        }
    }

    #[test]
    fn what_is_shared_out_comes_back_in_order() {
        let mut first = packed(&[0.0, 20.0, 40.0][..]).unwrap();
        let all = shared_out(&Second(first.clone()), 5, |number| Ok(number as f64 * 10.0)).unwrap();
        assert_eq!(all, [0.0, 10.0, 20.0, 30.0, 40.0]);
        first.pop();
        assert_eq!(shared_out(&Second(first), 5, |number| Ok(number as f64)).unwrap_err().code(), 1);
    }

    #[test]
    fn what_arrives_is_what_was_sent_and_nothing_else_is_taken_for_it() {
        type All = Vec<((u32, f64), (String, Array2<f64>))>;
        let one = |x: f64| ((7, x), ("mörk".to_owned(), ndarray::array![[x, -0.0], [1.0 / 3.0, f64::INFINITY]]));
        let sent: All = vec![one(f64::from_bits(0x7ff8_0000_0000_1234)), one(1e-310)];
        let bytes = packed(&sent).unwrap();
        let arrived: All = unpacked(&bytes).unwrap();
        let bits =
            |all: &All| all.iter().map(|((_, x), (_, a))| (x.to_bits(), a.mapv(f64::to_bits))).collect::<Vec<_>>();
        assert_eq!(bits(&arrived), bits(&sent));
        assert_eq!(arrived[0].1.0, "mörk");
        assert!((0..bytes.len()).all(|length| unpacked::<All>(&bytes[..length]).is_err()));
        assert!(unpacked::<All>(&[bytes.as_slice(), &[0]].concat()).is_err());
        // Numbers, text and arrays that say they are longer than any memory.
        let length = packed(&u64::MAX).unwrap();
        assert!(unpacked::<Vec<u32>>(&length).is_err() && unpacked::<String>(&length).is_err());
        let array = packed(&(1u8, (u64::MAX, u64::MAX), [1.0; 3].as_slice())).unwrap();
        assert!(unpacked::<Array2<f64>>(&array).is_err());
    }
}
