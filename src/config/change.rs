//! What a running recorder can follow of another config.

use super::Config;

impl Config {
    /// The config of a recorder that runs with this one and is given another, and the keys whose
    /// values differ all the same: those count only from the next start.
    pub fn follow(&self, other: &Config) -> (Config, Vec<&'static str>) {
        let mut keys = Vec::new();
        // Named one by one, so that a new key is not forgotten here.
        let config = Config {
            network_silence: other.network_silence,
            log: other.log,
            fsync: other.fsync,
            environment: other.environment.clone(),
            filter: other.filter.clone(),
            enabled: stays("enabled", &self.enabled, &other.enabled, &mut keys),
            command_buffer_pages: stays(
                "command_buffer_size",
                &self.command_buffer_pages,
                &other.command_buffer_pages,
                &mut keys,
            ),
            disk_buffer_pages: stays(
                "disk_buffer_size",
                &self.disk_buffer_pages,
                &other.disk_buffer_pages,
                &mut keys,
            ),
            network_buffer_pages: stays(
                "network_buffer_size",
                &self.network_buffer_pages,
                &other.network_buffer_pages,
                &mut keys,
            ),
            cgroup_path: stays(
                "cgroup_path",
                &self.cgroup_path,
                &other.cgroup_path,
                &mut keys,
            ),
            root_path: stays("root_path", &self.root_path, &other.root_path, &mut keys),
            data_dir: stays("data_dir", &self.data_dir, &other.data_dir, &mut keys),
            nodename: stays("nodename", &self.nodename, &other.nodename, &mut keys),
            cluster_name: stays(
                "cluster_name",
                &self.cluster_name,
                &other.cluster_name,
                &mut keys,
            ),
            labels: stays("labels", &self.labels, &other.labels, &mut keys),
            output: stays("output", &self.output, &other.output, &mut keys),
            syslog_socket: stays(
                "syslog_socket",
                &self.syslog_socket,
                &other.syslog_socket,
                &mut keys,
            ),
            journald_socket: stays(
                "journald_socket",
                &self.journald_socket,
                &other.journald_socket,
                &mut keys,
            ),
            required: stays("required", &self.required, &other.required, &mut keys),
            btf_path: stays("btf_path", &self.btf_path, &other.btf_path, &mut keys),
            plan: stays("plan", &self.plan, &other.plan, &mut keys),
            metrics_file: stays(
                "metrics_file",
                &self.metrics_file,
                &other.metrics_file,
                &mut keys,
            ),
            logins: stays("login_types", &self.logins, &other.logins, &mut keys),
            overload: stays("overload", &self.overload, &other.overload, &mut keys),
        };
        (config, keys)
    }
}

fn stays<T: Clone + PartialEq>(
    key: &'static str,
    own: &T,
    other: &T,
    differing: &mut Vec<&'static str>,
) -> T {
    if own != other {
        differing.push(key);
    }
    own.clone()
}
