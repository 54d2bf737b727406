//! Who a session belongs to, and how it came to be.

use super::identity;
use crate::abi::{Endpoint, LOGINS, login};
use crate::base::{Names, login_name};
use crate::event::{Origin, Uuid};

/// What is known of a session from the beginning.
pub struct Birth {
    /// Nanoseconds since boot.
    pub time: u64,
    /// Whose, as far as the kernel knows.
    pub uid: u32,
    /// The account's name, as the login server has told it.
    pub name: Option<String>,
    /// The process that was seen first: of an unprivileged login, sshd's on the user's side.
    pub pid: u32,
    /// Ends of the connection; version 0 where there is none.
    pub connection: (Endpoint, Endpoint),
    /// The session from which the login came.
    pub parent: Option<Uuid>,
    /// Since when all of it is recorded, if it began before: nanoseconds since boot.
    pub recorded_since: Option<u64>,
    /// How somebody logged in: of [`login`].
    pub login: u32,
}

/// The account and the SSH identity behind a session.
pub struct Who {
    pub birth: Birth,
    /// `None` where the host does not know the uid.
    account: Option<String>,
    /// The key id of the certificate, or the fingerprint of the key, by which somebody logged in.
    key: Option<String>,
}

impl Who {
    /// As far as the birth tells.
    pub fn new(birth: Birth) -> Self {
        Self {
            account: birth.name.clone().or_else(|| login_name(birth.uid)),
            birth,
            key: None,
        }
    }

    /// How somebody logged in: a place in [`LOGINS`]. What is not known to be otherwise is by SSH.
    pub fn login_type(&self) -> usize {
        let login = self.birth.login.max(login::SSH) as usize;
        login.min(LOGINS.len() - 1)
    }

    /// Whether what the session does comes by the channels of an SSH connection.
    pub fn has_channels(&self) -> bool {
        self.birth.login == login::SSH
    }

    /// The identity, or the account where there is none.
    pub fn user(&self) -> &str {
        let name = self.key.as_deref().or(self.account.as_deref());
        name.unwrap_or_default()
    }

    /// The account. Where the host does not know it, the uid is its name from now on.
    pub fn login(&mut self) -> String {
        let uid = self.birth.uid;
        self.account.get_or_insert_with(|| uid.to_string()).clone()
    }

    /// Takes the login from the environment of the first program, where sshd has not told it in another
    /// way. What `PermitUserEnvironment` lets a user set there is no name of somebody else.
    pub fn environment(&mut self, environment: &[u8]) {
        // In any other login this would be the user's word.
        if self.birth.login > login::SSH || self.birth.name.is_some() {
            return;
        }
        let name = identity::variable(environment, "LOGNAME").map(String::from_utf8_lossy);
        if let Some(name) = name.filter(|name| Names::of_host().can_be(name, self.birth.uid)) {
            self.account = Some(name.into_owned());
        }
    }

    /// Takes what sshd writes of who has logged in. What comes later changes nothing.
    pub fn identify(&mut self, text: &[u8]) {
        if self.birth.login <= login::SSH && self.key.is_none() {
            self.key = identity::from_info(text);
        }
    }

    /// Of a job that a session has asked for.
    pub fn origin(&self) -> Option<Origin<'_>> {
        let sid = self.birth.parent.as_ref()?;
        let is_inferred = match self.birth.login {
            login::AT | login::SYSTEMD_RUN => false,
            login::CRON | login::SYSTEMD | login::KERNEL => true,
            _ => return None,
        };
        Some(Origin {
            by: LOGINS[self.login_type()],
            sid,
            is_inferred,
        })
    }
}
