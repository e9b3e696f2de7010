//! Whether a moment of sound repeats itself as often as a voice's pitch does. Vowels do; keyboard clicks, coughs, knocks
//! and fans do not, however speech-like their spectrum is.

/// Samples of 16 kHz audio in one step.
const STEP: usize = 256;
/// The signal is looked at with half the rate: 8 kHz holds every pitch.
const RATE: usize = 8_000;
/// The pitches of voices, Hz.
const LOWEST_PITCH: usize = 65;
const HIGHEST_PITCH: usize = 400;
const SHORTEST_LAG: usize = RATE / HIGHEST_PITCH;
const LONGEST_LAG: usize = RATE / LOWEST_PITCH;
/// 32 ms are compared with what was one pitch period before.
const COMPARED: usize = 256;
const HELD: usize = COMPARED + LONGEST_LAG;

/// Measures periodicity frame by frame.
pub(super) struct Periodicity {
    held: [f32; HELD],
    before: f32,
}

impl Periodicity {
    pub fn new() -> Self {
        Self { held: [0.0; HELD], before: 0.0 }
    }

    /// Takes the next frame of 16 kHz audio.
    pub fn push(&mut self, frame: &[f32]) {
        debug_assert_eq!(frame.len(), STEP);
        self.held.copy_within(STEP / 2.., 0);
        let at = HELD - STEP / 2;
        for (slot, pair) in self.held[at..].iter_mut().zip(frame.chunks_exact(2)) {
            // The difference of neighbours takes away rumble, which is slow and would pass for a low pitch.
            *slot = pair[0] - self.before + (pair[1] - pair[0]);
            self.before = pair[1];
        }
    }

    /// The greatest normalised autocorrelation (-1..=1) over the pitches of voices, of the last 32 ms.
    pub fn measure(&self) -> f32 {
        let now = &self.held[LONGEST_LAG..];
        let energy: f32 = now.iter().map(|x| x * x).sum();
        (SHORTEST_LAG..=LONGEST_LAG)
            .map(|lag| {
                let then = &self.held[LONGEST_LAG - lag..HELD - lag];
                let product: f32 = now.iter().zip(then).map(|(a, b)| a * b).sum();
                let energy_then: f32 = then.iter().map(|x| x * x).sum();
                product / (energy * energy_then).sqrt().max(1e-9)
            })
            .fold(0.0, f32::max)
    }
}
