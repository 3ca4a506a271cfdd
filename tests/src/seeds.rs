//! Which runs of the simulation are made.

/// Seeds that every scenario is run with. One that has once shown a fault stays here.
pub const SEEDS: &[u64] = &[1, 6, 20_261_122];

/// Returns the seed in the environment variable `SEED`, if there is one, else
/// the committed ones.
///
/// # Panics
///
/// Panics if the variable is no number: a run with another seed than asked for
/// would say nothing.
pub fn seeds() -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(text) => vec![text.parse().expect("SEED is a number")],
        Err(_) => SEEDS.to_vec(),
    }
}

/// Makes a run with each of [`seeds`].
pub fn each_seed(run: impl Fn(u64)) {
    for seed in seeds() {
        run(seed);
    }
}
