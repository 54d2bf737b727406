//! The accounts and groups of this host, as its files have them.

use super::account::contents;

/// What /etc/passwd and /etc/group say. Accounts of a directory service are known by number only.
#[derive(Default)]
pub struct Accounts {
    /// Name, uid, gid.
    accounts: Vec<(String, u32, u32)>,
    /// Name, gid, names of members.
    groups: Vec<(String, u32, Vec<String>)>,
}

impl Accounts {
    /// Reads the files; one that can't be read has nobody in it.
    pub fn of_host() -> Self {
        let read = |path: &str| contents(path.as_ref()).unwrap_or_default();
        let [accounts, groups] = ["/etc/passwd", "/etc/group"].map(read);
        Self::parse(
            &String::from_utf8_lossy(&accounts),
            &String::from_utf8_lossy(&groups),
        )
    }

    /// From the texts of both files; see passwd(5) and group(5).
    pub fn parse(accounts: &str, groups: &str) -> Self {
        let account = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            Some((name, uid, fields.next()?.parse().ok()?))
        };
        let group = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let gid = fields.nth(1)?.parse().ok()?;
            let members = fields.next()?.split(',').map(str::to_owned);
            Some((name, gid, members.collect()))
        };
        Self {
            accounts: accounts.lines().filter_map(account).collect(),
            groups: groups.lines().filter_map(group).collect(),
        }
    }

    /// The uid of an account, by its name or by that number itself.
    pub fn uid(&self, name: &str) -> Option<u32> {
        let known = self.accounts.iter().find(|(known, ..)| known == name);
        known.map(|(_, uid, _)| *uid).or_else(|| name.parse().ok())
    }

    /// The uids of a group's members, by its name or gid: those that name it as their own, and those
    /// that it names.
    pub fn members(&self, name: &str) -> Option<Vec<u32>> {
        let known = self.groups.iter().find(|(known, ..)| known == name);
        let gid = match known {
            Some((_, gid, _)) => *gid,
            None => name.parse().ok()?,
        };
        let named: Vec<&String> = self
            .groups
            .iter()
            .filter(|(_, of, _)| *of == gid)
            .flat_map(|(.., members)| members)
            .collect();
        let is_member = |(name, _, own): &&(String, u32, u32)| *own == gid || named.contains(&name);
        let members = self.accounts.iter().filter(is_member);
        Some(members.map(|(_, uid, _)| *uid).collect())
    }
}
