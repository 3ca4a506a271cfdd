//! Any operations into the whole relay, with real or virtual addresses: a client
//! with credentials of three kinds, one without, peers, time. Nothing may be
//! relayed but to permitted media ports, nothing may be had without credentials
//! or with those of another, and nothing may be left at the end.
#![no_main]

mod acts;
mod around;
mod steps;
mod world;

use libfuzzer_sys::fuzz_target;

use steps::Input;
use world::World;

fuzz_target!(|input: Input| {
    let mut world = World::new(&input);
    for step in input.steps.into_iter().take(200) {
        world.step(step);
        world.check();
    }
    world.end();
});
