//! Some scenarios of each kind, and all that once failed. tests/simulate runs more of them, and faster.

use mesh_sim::generate::{KINDS, Kind, generate};
use mesh_sim::run::{Runner, run};
use mesh_sim::scenario::Scenario;
use mesh_sim::seed;
use std::path::Path;

#[test]
fn cases_that_once_failed_or_are_rare_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let scenario: Scenario = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        run(&mut Runner::default(), &scenario, false)
            .unwrap_or_else(|violation| panic!("{}: {violation}", path.display()));
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn some_scenarios_of_each_kind_pass_and_repeat_themselves() {
    let seed = seed::commit();
    // The steady ones take too long without optimization.
    for (kind, word) in KINDS.into_iter().filter(|(kind, _)| *kind != Kind::Steady) {
        for seed in seed..seed.wrapping_add(4) {
            println!("tests/simulate --kind {word} --seed {seed} --scenarios 1 --trace");
            let scenario = generate(kind, seed);
            let first = run(&mut Runner::default(), &scenario, false).unwrap_or_else(|violation| panic!("{violation}"));
            let second =
                run(&mut Runner::default(), &scenario, false).unwrap_or_else(|violation| panic!("{violation}"));
            assert_eq!(first, second);
        }
    }
}
