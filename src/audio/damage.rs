//! What was wrong with a track that could still be used: where, how often, how much was lost. Bounded, however
//! broken the file.

use std::fmt;

/// Places that are named one by one.
const NAMED: usize = 5;

/// A note of everything that was skipped in a track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Damage {
    places: Vec<f64>,
    count: u64,
    skipped_bytes: u64,
    unreadable_packets: u64,
    wrong_times: u64,
    cut_short_at: Option<f64>,
}

impl Damage {
    /// Whether nothing was wrong.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes that made no sense begin at this second of the track's clock.
    pub(super) fn broken_at(&mut self, second: f64) {
        self.count += 1;
        if self.places.len() < NAMED {
            self.places.push(second);
        }
    }

    /// So many bytes were passed over in search of the next readable place.
    pub(super) fn skipped(&mut self, bytes: usize) {
        self.skipped_bytes += bytes as u64;
    }

    /// What the container called a packet is none.
    pub(super) fn unreadable_packet(&mut self) {
        self.unreadable_packets += 1;
    }

    /// A time leaps ahead, and the packets behind it do not.
    pub(super) fn wrong_time(&mut self) {
        self.wrong_times += 1;
    }

    /// The file ends within an element.
    pub(super) fn cut_short(&mut self, second: f64) {
        self.cut_short_at = Some(second);
    }

    /// A sentence for the report; `None` when nothing was wrong.
    pub fn note(&self) -> Option<String> {
        (!self.is_none()).then(|| self.to_string())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.count > 0 {
            let named: Vec<String> = self.places.iter().map(|place| format!("{place:.3} s")).collect();
            let more = self.count - self.places.len() as u64;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            parts.push(format!("damaged at {}{more} ({} bytes skipped)", named.join(", "), self.skipped_bytes));
        }
        if self.unreadable_packets > 0 {
            parts.push(format!("{} unreadable packets", self.unreadable_packets));
        }
        if self.wrong_times > 0 {
            parts.push(format!("{} wrong timestamps", self.wrong_times));
        }
        if let Some(second) = self.cut_short_at {
            parts.push(format!("cut short at {second:.3} s"));
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_short_however_much_is_broken() {
        let mut damage = Damage::default();
        assert_eq!(damage.note(), None);
        for second in 0..1000 {
            damage.broken_at(f64::from(second));
            damage.skipped(100);
        }
        damage.cut_short(1000.5);
        let note = damage.note().unwrap();
        assert_eq!(
            note,
            "damaged at 0.000 s, 1.000 s, 2.000 s, 3.000 s, 4.000 s and 995 more (100000 bytes skipped); cut short at 1000.500 s"
        );
    }
}
