//! Several processes of this program that train together, where `mpirun` has started them.

use super::error::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    env,
    sync::atomic::{AtomicBool, Ordering},
};
use unspool::nn::{
    exchange::{Exchange, owned},
    parallel_map,
};

/// Does the work with the processes that were started together. What goes wrong in one of them alone ends all, with a
/// line that names it and its machine.
#[cfg(feature = "mpi")]
pub(crate) fn run_ranks(work: impl FnOnce(&dyn Exchange) -> Result<()>) -> Result<()> {
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
    choose_speaker();
    let ended = unspool::nn::mpi::run(|exchange| match work(exchange) {
        Err(error) if !error.is_everywhere() => Err(Alone(error)),
        ended => Ok(ended),
    });
    ended.unwrap_or_else(|Alone(error)| Err(error))
}

/// Does the work alone.
#[cfg(not(feature = "mpi"))]
pub(crate) fn run_ranks(work: impl FnOnce(&dyn Exchange) -> Result<()>) -> Result<()> {
    choose_speaker();
    if launched(&SIZES) > 1 {
        return Err(Error::misuse(
            "several processes were started, but this program was built for one",
            "build it with `--features mpi`, as docs/scale.md says",
        ));
    }
    work(&unspool::nn::exchange::OneProcess)
}

/// Whether this process works with others, and another one says what all have to say.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Whether this process is the one that says what all have to say.
pub(crate) fn speaks() -> bool {
    !SILENT.load(Ordering::Relaxed)
}

/// Of several processes that are about to work together, the first one speaks. A number in the environment alone does
/// not make several.
fn choose_speaker() {
    let [size, rank] = [SIZES, RANKS].map(|names| launched(&names));
    SILENT.store(size > 1 && rank > 0, Ordering::Relaxed);
}

/// Where Open MPI says how many processes there are and which one this is, and where MPICH and its kin do.
const SIZES: [&str; 2] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"];
const RANKS: [&str; 2] = ["OMPI_COMM_WORLD_RANK", "PMI_RANK"];

/// A number that the launcher of several processes leaves in their environment.
fn launched(names: &[&str]) -> usize {
    let number = |name: &&str| env::var(name).ok()?.parse().ok();
    names.iter().find_map(number).unwrap_or(0)
}

/// Does something for each of so many things, each of them in one process; gives all, in order, in every process.
pub(crate) fn distribute<P: Serialize + DeserializeOwned + Send>(
    exchange: &dyn Exchange,
    count: usize,
    each: impl Fn(usize) -> Result<P> + Sync,
) -> Result<Vec<P>> {
    let found = parallel_map(owned(exchange, count).collect(), each).into_iter().collect::<Result<Vec<P>>>()?;
    in_order(exchange, count, found)
}

/// Of so many things each process has its own, as [`own`] numbers them; gives all, in order, in every process.
pub(crate) fn in_order<P: Serialize + DeserializeOwned>(
    exchange: &dyn Exchange,
    count: usize,
    own: Vec<P>,
) -> Result<Vec<P>> {
    if exchange.ranks() <= 1 {
        return Ok(own);
    }
    let mut all: Vec<_> = all_gather(exchange, own)?.into_iter().map(Vec::into_iter).collect();
    let ranks = all.len();
    let in_order = (0..count).map(|number| all[number % ranks].next().ok_or_else(unreadable)).collect();
    if all.iter().any(|rest| rest.len() > 0) { Err(unreadable()) } else { in_order }
}

/// What each process has, by rank, in every process.
pub(crate) fn all_gather<P: Serialize + DeserializeOwned>(exchange: &dyn Exchange, value: P) -> Result<Vec<P>> {
    if exchange.ranks() <= 1 {
        return Ok(vec![value]);
    }
    exchange.all_gather(&packed(&value)?)?.iter().map(|bytes| unpacked(bytes)).collect()
}

/// What the first process alone makes, in every process.
pub(crate) fn broadcast<P: Serialize + DeserializeOwned>(
    exchange: &dyn Exchange,
    make: impl FnOnce() -> Result<P>,
) -> Result<P> {
    if exchange.rank() > 0 {
        return unpacked(&exchange.broadcast(vec![])?);
    }
    let made = make()?;
    if exchange.ranks() > 1 {
        exchange.broadcast(packed(&made)?)?;
    }
    Ok(made)
}

/// As bytes for another process, where it is what it was here, to the bit.
pub(crate) fn packed<P: Serialize + ?Sized>(value: &P) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|cause| Error::failure(format!("the message cannot be sent: {cause}"), ""))
}

/// What [`packed`] packed, all of it.
pub(crate) fn unpacked<P: DeserializeOwned>(bytes: &[u8]) -> Result<P> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(unreadable()),
    }
}

/// Another process has sent what none of this program does.
pub(crate) fn unreadable() -> Error {
    Error::failure("the message of another process cannot be read", "start the same program everywhere")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use unspool::nn::exchange::run_ranks;

    #[test]
    fn what_is_shared_out_comes_back_in_order() {
        for ranks in 1..=4 {
            let all = run_ranks(ranks, |exchange| distribute(exchange, 5, |number| Ok(number as f64 * 10.0)).unwrap());
            assert!(all.iter().all(|found| *found == [0.0, 10.0, 20.0, 30.0, 40.0]));
        }
        let unlike = run_ranks(2, |exchange| {
            let count = 5 + 2 * exchange.rank();
            distribute(exchange, count, Ok).map_err(|error| error.code())
        });
        assert_eq!(unlike, [Err(1), Err(1)]);
    }

    #[test]
    fn what_the_first_makes_all_have() {
        let all = run_ranks(3, |exchange| {
            let made = broadcast(exchange, || Ok(format!("by {}", exchange.rank()))).unwrap();
            (made, all_gather(exchange, exchange.rank()).unwrap())
        });
        assert!(all.iter().all(|found| *found == ("by 0".to_owned(), vec![0, 1, 2])));
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
