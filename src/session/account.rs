//! From a uid to the name of its account.

use std::ffi::CStr;

/// The login of a uid, from the host's account database; `None` where it is not there.
pub fn login_name(uid: u32) -> Option<String> {
    let mut buffer = vec![0; 4096];
    // SAFETY: the structure is plain numbers and pointers, and is filled by the call.
    let mut account: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: all four refer to memory that lives through the call, and the length is right.
    let error = unsafe {
        libc::getpwuid_r(
            uid,
            &mut account,
            buffer.as_mut_ptr(),
            buffer.len(),
            &mut found,
        )
    };
    if error != 0 || found.is_null() {
        return None;
    }
    // SAFETY: where an entry is found, its name is a string in the buffer.
    let name = unsafe { CStr::from_ptr(account.pw_name) };
    Some(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::login_name;

    #[test]
    fn root_has_a_name() {
        assert_eq!(login_name(0).as_deref(), Some("root"));
        assert_eq!(login_name(4_000_000_000), None);
    }
}
