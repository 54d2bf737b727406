//! What differs between two configs, and which of it a running recorder can't follow.

use super::Config;

impl Config {
    /// The keys whose values differ in `other`, and which count only from the next start.
    pub fn needs_restart(&self, other: &Config) -> Vec<&'static str> {
        // Named one by one, so that a new key is not forgotten here.
        let Config {
            enabled,
            command_buffer_pages,
            disk_buffer_pages,
            network_buffer_pages,
            network_silence: _,
            cgroup_path,
            root_path,
            data_dir,
            nodename,
            cluster_name,
            labels,
            output,
            syslog_socket,
            journald_socket,
            log: _,
            fsync: _,
            environment: _,
            required,
            filter: _,
            btf_path,
            plan,
            metrics_file,
            logins,
        } = self;
        let differing = [
            ("enabled", *enabled != other.enabled),
            (
                "command_buffer_size",
                *command_buffer_pages != other.command_buffer_pages,
            ),
            (
                "disk_buffer_size",
                *disk_buffer_pages != other.disk_buffer_pages,
            ),
            (
                "network_buffer_size",
                *network_buffer_pages != other.network_buffer_pages,
            ),
            ("cgroup_path", *cgroup_path != other.cgroup_path),
            ("root_path", *root_path != other.root_path),
            ("data_dir", *data_dir != other.data_dir),
            ("nodename", *nodename != other.nodename),
            ("cluster_name", *cluster_name != other.cluster_name),
            ("labels", *labels != other.labels),
            ("output", *output != other.output),
            ("syslog_socket", *syslog_socket != other.syslog_socket),
            ("journald_socket", *journald_socket != other.journald_socket),
            ("required", *required != other.required),
            ("btf_path", *btf_path != other.btf_path),
            ("plan", *plan != other.plan),
            ("metrics_file", *metrics_file != other.metrics_file),
            ("login_types", *logins != other.logins),
        ];
        let differing = differing.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(key, _)| key).collect()
    }
}
