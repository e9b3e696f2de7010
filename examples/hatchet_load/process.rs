//! What a worker takes of the machine: processor time and memory of its process and of all below it, as Linux counts them.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// Parts of a second that `/proc/PID/stat` counts in; Linux shows this many everywhere.
const TICKS: u64 = 100;

/// A process and all below it.
pub struct Tree {
    root: u32,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Proportional set size: what processes share is split between them, so that the sum counts it once.
    pub proportional: u64,
    /// Resident set size, what is shared counted in each.
    pub resident: u64,
}

/// Of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    ticks: u64,
}

impl Tree {
    /// That of a process.
    pub fn of(root: u32) -> Self {
        Self { root }
    }

    /// Processor time so far, that of processes which have ended included.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let ticks: u64 = self.members()?.into_iter().filter_map(stat).map(|stat| stat.ticks).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Memory now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let mut all = Memory::default();
        for member in self.members()? {
            // One that has just ended has none.
            let Ok(text) = fs::read_to_string(format!("/proc/{member}/smaps_rollup")) else { continue };
            all.proportional += kilobytes(&text, "Pss:") << 10;
            all.resident += kilobytes(&text, "Rss:") << 10;
        }
        ensure!(all.resident > 0, "the memory of process {} can't be read", self.root);
        Ok(all)
    }

    fn members(&self) -> anyhow::Result<BTreeSet<u32>> {
        stat(self.root).with_context(|| format!("process {} is gone", self.root))?;
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            parents.extend(stat(pid).map(|stat| (pid, stat.parent)));
        }
        let mut members = BTreeSet::from([self.root]);
        loop {
            let before = members.len();
            members.extend(
                parents.iter().filter(|(_, parent)| members.contains(parent)).map(|(pid, _)| *pid).collect::<Vec<_>>(),
            );
            if members.len() == before {
                return Ok(members);
            }
        }
    }
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // utime, stime, and the same of children that have ended and were waited for.
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

fn kilobytes(rollup: &str, name: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
