//! Whether the processor has the instructions that make the cipher fast.

/// Reports whether AES and carry-less multiplication run in hardware here. In software the cipher
/// is 10 to 27 times slower, so the server refuses to start without them unless told otherwise.
pub fn cpu_is_accelerated() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        std::arch::is_x86_feature_detected!("aes")
            && std::arch::is_x86_feature_detected!("pclmulqdq")
    }
    #[cfg(target_arch = "aarch64")]
    {
        // On aarch64 `aes` covers the AES and the PMULL instructions.
        std::arch::is_aarch64_feature_detected!("aes")
    }
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}
