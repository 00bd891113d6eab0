//! How much of the machine's time goes to others: a test that measures time must know that.

use std::fs;

/// Ticks of the clock that the kernel has counted for all CPUs together, and how many of them went to some processes.
#[derive(Debug, Clone, Copy)]
pub struct CpuTicks {
    /// All, idle ones too.
    all: u64,
    /// Those in which something ran, or in which this machine had to wait for its own turn.
    busy: u64,
    /// Those of the processes that were named.
    own: u64,
}

impl CpuTicks {
    /// Counts for these processes, and all of this process group.
    pub fn count(processes: &[u32], group: u32) -> Self {
        let text = fs::read_to_string("/proc/stat").expect("Linux tells its time");
        let ticks: Vec<u64> = text
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .take(8)
            .map(|word| word.parse().expect("it is a number"))
            .collect();
        // The fourth and the fifth are idle: nothing to do, and nothing to do before a disk answers.
        let all: u64 = ticks.iter().sum();
        let own = fs::read_dir("/proc").expect("it is there").flatten().filter_map(|entry| {
            let process: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name in brackets may hold anything.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let is_own = processes.contains(&process) || fields[2].parse() == Ok(group);
            is_own.then(|| fields[11].parse::<u64>().unwrap_or(0) + fields[12].parse::<u64>().unwrap_or(0))
        });
        Self { all, busy: all - ticks[3] - ticks[4], own: own.sum() }
    }

    /// How many percent of the machine others have had since then.
    pub fn percent_of_others(self, since: Self) -> u64 {
        let others = (self.busy - since.busy).saturating_sub(self.own.saturating_sub(since.own));
        100 * others / (self.all - since.all).max(1)
    }
}
