//! Which words of a bucket may be those of a key: eight comparisons at once, by what the processor
//! has. The answer is a hint: whoever follows it loads the word again, atomically, and compares.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of a bucket: one cache line.
pub(super) const WORDS: usize = 8;

/// A bucket.
#[repr(C, align(64))]
pub(super) struct Bucket(pub(super) [AtomicU64; WORDS]);

/// Which instructions compare fingerprints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// Eight words in one comparison.
    Avx512,
    /// Twice four.
    Avx2,
    /// One by one, on any processor.
    Portable,
}

impl Probe {
    /// Every kind that this processor has, the widest first.
    pub fn available() -> Vec<Probe> {
        [Probe::Avx512, Probe::Avx2, Probe::Portable]
            .into_iter()
            .filter(|probe| probe.is_available())
            .collect()
    }

    /// The widest that this processor has.
    pub fn widest() -> Probe {
        match () {
            () if Probe::Avx512.is_available() => Probe::Avx512,
            () if Probe::Avx2.is_available() => Probe::Avx2,
            () => Probe::Portable,
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Probe::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq"),
            #[cfg(target_arch = "x86_64")]
            Probe::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(not(target_arch = "x86_64"))]
            Probe::Avx512 | Probe::Avx2 => false,
            Probe::Portable => true,
        }
    }
}

impl Probe {
    /// Whether the kernels that merge tiles may use it as well; the widest needs a little more for that.
    pub(crate) fn merges(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Probe::Avx512 => {
                self.is_available()
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
            }
            _ => self.is_available(),
        }
    }
}

/// One kind, known when the loop around it is compiled.
pub(super) trait Matches {
    /// A bit for each word whose highest 16 bits are these.
    fn matches(bucket: &Bucket, fingerprint: u64) -> u32;
}

pub(super) struct Portable;

impl Matches for Portable {
    #[inline(always)]
    fn matches(bucket: &Bucket, fingerprint: u64) -> u32 {
        let words = bucket.0.iter().enumerate();
        words.fold(0, |bits, (index, word)| {
            bits | u32::from(word.load(Ordering::Relaxed) >> 48 == fingerprint) << index
        })
    }
}

/// Only for a processor that has it.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Matches for Avx512 {
    #[inline(always)]
    fn matches(bucket: &Bucket, fingerprint: u64) -> u32 {
        let bits: u32;
        // SAFETY: the table runs this only where `Probe::is_available`. It reads the 64 bytes of the
        // bucket, whose words other threads may be writing: outside of the language's memory model, as a
        // processor's load does, and whatever it sees is only a hint. The registers above 15 leave the
        // upper halves of the others clean.
        unsafe {
            std::arch::asm!(
                "vpbroadcastq zmm16, {fingerprint}",
                "vpsrlq zmm17, zmmword ptr [{bucket}], 48",
                "vpcmpeqq k1, zmm16, zmm17",
                "kmovb {bits:e}, k1",
                bucket = in(reg) std::ptr::from_ref(bucket),
                fingerprint = in(reg) fingerprint,
                bits = lateout(reg) bits,
                out("xmm16") _, out("xmm17") _, out("k1") _,
                options(readonly, nostack, preserves_flags),
            );
        }
        bits
    }
}

/// Only for a processor that has it.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Matches for Avx2 {
    #[inline(always)]
    fn matches(bucket: &Bucket, fingerprint: u64) -> u32 {
        let (low, high): (u32, u32);
        // SAFETY: as for the wider one; it ends with clean upper halves.
        unsafe {
            std::arch::asm!(
                "vmovq xmm0, {fingerprint}",
                "vpbroadcastq ymm0, xmm0",
                "vmovdqa ymm1, ymmword ptr [{bucket}]",
                "vmovdqa ymm2, ymmword ptr [{bucket} + 32]",
                "vpsrlq ymm1, ymm1, 48",
                "vpsrlq ymm2, ymm2, 48",
                "vpcmpeqq ymm1, ymm1, ymm0",
                "vpcmpeqq ymm2, ymm2, ymm0",
                "vmovmskpd {low:e}, ymm1",
                "vmovmskpd {high:e}, ymm2",
                "vzeroupper",
                bucket = in(reg) std::ptr::from_ref(bucket),
                fingerprint = in(reg) fingerprint,
                low = out(reg) low,
                high = lateout(reg) high,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(readonly, nostack, preserves_flags),
            );
        }
        low | high << 4
    }
}
