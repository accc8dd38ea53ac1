//! Several processes of this program that train together, where `mpirun` has started them.

use super::error::{Error, Result};
use crate::tasks::Portable;
use rayon::prelude::*;
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
pub(crate) fn shared_out<P: Portable + Send>(
    exchange: &dyn Exchange,
    count: usize,
    each: impl Fn(usize) -> Result<P> + Sync,
) -> Result<Vec<P>> {
    let numbers: Vec<usize> = own(exchange, count).collect();
    let found = numbers.into_par_iter().map(&each).collect::<Result<Vec<P>>>()?;
    if exchange.ranks() <= 1 {
        return Ok(found);
    }
    let mut message = vec![];
    found.write(&mut message);
    let unreadable =
        || Error::failure("what another process has sent cannot be read", "start one program alike everywhere");
    let read = |bytes: &Vec<u8>| Vec::<P>::read(&mut bytes.as_slice()).map(Vec::into_iter).ok_or_else(unreadable);
    let mut all = exchange.all_gather(message)?.iter().map(read).collect::<Result<Vec<_>>>()?;
    let ranks = all.len();
    (0..count).map(|number| all[number % ranks].next().ok_or_else(unreadable)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
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
        fn all_to_all(&self, messages: Vec<Vec<u8>>) -> nn::Result<Vec<Vec<u8>>> {
            Ok(messages)
        }
        fn all_gather(&self, message: Vec<u8>) -> nn::Result<Vec<Vec<u8>>> {
            Ok(vec![self.0.clone(), message])
        }
    }

    #[test]
    fn what_is_shared_out_comes_back_in_order() {
        let mut first = vec![];
        vec![0.0, 20.0, 40.0].write(&mut first);
        let all = shared_out(&Second(first.clone()), 5, |number| Ok(number as f64 * 10.0)).unwrap();
        assert_eq!(all, [0.0, 10.0, 20.0, 30.0, 40.0]);
        first.pop();
        assert_eq!(shared_out(&Second(first), 5, |number| Ok(number as f64)).unwrap_err().code(), 1);
    }
}
