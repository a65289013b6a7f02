//! Where the services' databases of the nodes under test lie: embedded, or on a PostgreSQL.
//!
//! `COUNTERFOIL_TEST_DATABASES=remote` gives every node databases of its own on the server that
//! `COUNTERFOIL_TEST_POSTGRES_URL` names, which are dropped with the node; without it they are
//! embedded.

use sea_orm::{ConnectionTrait, Database};
use uuid::Uuid;

pub(crate) const SERVICES: [&str; 2] = ["customers", "orders"];

/// The databases of one node, or of one cluster.
pub(crate) struct Databases {
    /// Without one they are in the data folder.
    server: Option<Server>,
}

struct Server {
    url: String,
    prefix: String,
}

impl Databases {
    /// What this run of the tests is about.
    pub(crate) async fn of_this_run() -> Self {
        match std::env::var("COUNTERFOIL_TEST_DATABASES").as_deref() {
            Err(_) | Ok("embedded") => Self { server: None },
            Ok("remote") => Self::on_server().await,
            Ok(other) => {
                panic!("COUNTERFOIL_TEST_DATABASES is {other:?}; allowed: embedded, remote")
            }
        }
    }

    /// Databases on the server, whatever the run is about.
    pub(crate) async fn on_server() -> Self {
        Self::on(Server::of_this_run()).await
    }

    /// Databases on a certain server.
    pub(crate) async fn at(url: String) -> Self {
        Self::on(Server::at(url)).await
    }

    async fn on(server: Server) -> Self {
        let made = server.run(|name| format!("CREATE DATABASE {name}")).await;
        made.expect("the databases can be made");
        Self {
            server: Some(server),
        }
    }

    /// The same databases for a node that may only read them: the server lets it do nothing else.
    pub(crate) async fn read_settings(&self) -> Vec<(String, String)> {
        let server = self.server.as_ref().expect("they are on a server");
        let reader = server.reader();
        let made = server
            .run_once(&format!(
                "CREATE ROLE {reader} LOGIN IN ROLE pg_read_all_data"
            ))
            .await;
        made.expect("the role can be made");

        let (scheme, rest) = server.url.split_once("://").expect("it is a URL");
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let reading = Server {
            url: format!("{scheme}://{reader}@{host}"),
            prefix: server.prefix.clone(),
        };
        SERVICES.map(|service| reading.setting(service)).to_vec()
    }

    /// Where the server is: its host and port.
    pub(crate) fn server(&self) -> String {
        let url = &self.server.as_ref().expect("they are on a server").url;
        let (_, host) = url.rsplit_once(['@', '/']).expect("it is a URL");
        host.to_owned()
    }

    /// The settings of the node. Embedded databases are the default, which is left to prove itself.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let of = |server: &Server| SERVICES.map(|service| server.setting(service));
        self.server.iter().flat_map(of).collect()
    }
}

impl Server {
    fn of_this_run() -> Self {
        let variable = "COUNTERFOIL_TEST_POSTGRES_URL";
        let url = std::env::var(variable);
        Self::at(url.unwrap_or_else(|_| panic!("{variable} is not set; see CONTRIBUTING.md")))
    }

    fn at(url: String) -> Self {
        Self {
            url,
            prefix: format!("counterfoil_test_{}", Uuid::now_v7().simple()),
        }
    }

    fn database(&self, service: &str) -> String {
        format!("{}_{service}", self.prefix)
    }

    fn setting(&self, service: &str) -> (String, String) {
        let name = format!("COUNTERFOIL_{}_DATABASE_URL", service.to_uppercase());
        (name, format!("{}/{}", self.url, self.database(service)))
    }

    /// Who may only read.
    fn reader(&self) -> String {
        format!("{}_reader", self.prefix)
    }

    async fn run(&self, statement: impl Fn(String) -> String) -> anyhow::Result<()> {
        for service in SERVICES {
            self.run_once(&statement(self.database(service))).await?;
        }
        Ok(())
    }

    async fn run_once(&self, statement: &str) -> anyhow::Result<()> {
        let server = Database::connect(format!("{}/postgres", self.url)).await?;
        server.execute_unprepared(statement).await?;
        server.close().await?;
        Ok(())
    }

    /// With the sessions that are left.
    fn clean(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            // Whoever follows their log is no session that the server ends by force.
            let followers = "SELECT pg_terminate_backend(active_pid, 5000) \
                FROM pg_replication_slots WHERE active AND database LIKE";
            self.run_once(&format!("{followers} '{}%'", self.prefix))
                .await?;
            let drop = |name| format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            self.run(drop).await?;
            let reader = self.reader();
            self.run_once(&format!("DROP ROLE IF EXISTS {reader}"))
                .await
        })
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        let Some(server) = &self.server else { return };

        // on a thread of its own: a runtime cannot be blocked on from within another
        let cleaned = std::thread::scope(|scope| {
            let cleaning = scope.spawn(|| server.clean());
            cleaning
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("cleaning panicked")))
        });
        if let Err(error) = cleaned {
            eprintln!("the databases {}_… stay behind: {error:#}", server.prefix);
        }
    }
}
