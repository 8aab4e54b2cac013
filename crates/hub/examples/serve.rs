//! Serves a data directory, for trying things out: `serve DIRECTORY [ADDRESS [ADMIN_PASSWORD]]`.
//!
//! Prints the page's address and the tokens of the bots. With a password, the person `admin` is there.

use std::{error::Error, net::SocketAddr};

use grafolean_hub::{FirstStart, Hub, HubOptions, NewUser};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what is printed is what it is for")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("which data directory?")?;
    let address: SocketAddr = arguments.next().as_deref().unwrap_or("127.0.0.1:8080").parse()?;
    let password = arguments.next();

    let hub = Hub::open(HubOptions::new(directory)).await?;
    let started = hub.first_start(&FirstStart::default()).await?;
    if let Some(password) = password
        && hub.users().await?.iter().all(|user| user.username != "admin")
    {
        hub.add_user(NewUser::new("admin", password).admin()).await?;
    }
    let listening = hub.listen(address, None).await?;
    println!("{}", listening.url());
    if let Some(token) = hub.setup_link_token()? {
        println!("{}/#/setup/{token}", listening.url());
    }
    if let Some(account) = started.account {
        println!("account {account}");
    }
    for bot in &started.bots {
        println!("{} bot {}: {}", bot.protocol, bot.id, bot.token);
    }
    tokio::signal::ctrl_c().await?;
    listening.stop().await;
    hub.close().await;
    Ok(())
}
