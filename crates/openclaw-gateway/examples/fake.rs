#[path = "../tests/it/fakes.rs"] #[allow(dead_code, unreachable_pub)] mod fakes;
use std::sync::Arc; use std::time::Duration;
use openclaw_gateway::*; use openclaw_domain::*;
struct C(std::time::Instant);
#[async_trait::async_trait]
impl ports::Clock for C { fn now(&self)->Timestamp{Timestamp(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64)} fn monotonic(&self)->Duration{self.0.elapsed()} async fn sleep(&self,d:Duration){tokio::time::sleep(d).await} }
#[tokio::main]
async fn main(){
 let hub=Hub::new(); let store=Arc::new(openclaw_testkit::memory::Store::new());
 let engine=fakes::Engine::new(hub.clone(),store.clone()); let runs=Arc::new(fakes::EngineRuns(engine));
 let ports=Ports{runs:runs.clone(),approvals:runs,sessions:store.clone(),variables:store.clone(),devices:store.clone(),grants:store.clone(),settings:Arc::new(fakes::MemorySettings::default()),catalog:Arc::new(openclaw_testkit::FixedCatalog::new()),logs:Arc::new(fakes::TwoLines),clock:Arc::new(C(std::time::Instant::now()))};
 let port:u16=std::env::args().nth(1).unwrap().parse().unwrap();
 let h=serve(Options::new(vec![([127,0,0,1],port).into()],Auth::Token(Secret::new("peertoken123456789012345678")),"2026.9.6"),ports,hub).await.unwrap();
 println!("{:?}",h.addresses());
 let echo=tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(); println!("echo {}",echo.local_addr().unwrap());
 tokio::spawn(async move{loop{let(s,_)=echo.accept().await.unwrap();s.set_nodelay(true).unwrap();tokio::spawn(async move{use futures_util::{SinkExt,StreamExt};let mut w=tokio_tungstenite::accept_async(s).await.unwrap();while let Some(Ok(m))=w.next().await{if m.is_text(){w.send(m).await.unwrap()}}});}});
 let echo_addr=(); let _=echo_addr;
 tokio::signal::ctrl_c().await.unwrap(); h.shutdown("").await;
}
