-- One database for all services, to keep the example small; each service touches its own tables only. What they share is the outbox, which
-- belongs to the database: see setup.ts.

-- order-api
create table if not exists orders (
  order_id text primary key,
  customer_id text not null,
  items jsonb not null,
  state text not null,
  rank int not null,
  reason text
);
create table if not exists order_history (
  seq bigserial,
  event_id text primary key,
  order_id text not null,
  type text not null,
  detail text,
  happened_at timestamptz not null
);
create index if not exists order_history_by_order on order_history (order_id);

-- inventory
create table if not exists stock (sku text primary key, on_hand int not null check (on_hand >= 0));
create table if not exists reservations (
  order_id text primary key,
  customer_id text not null,
  items jsonb not null,
  state text not null check (state in ('reserved', 'short', 'returned')),
  missing_sku text -- of what there was too little
);

-- payment
create table if not exists payments (
  order_id text primary key,
  amount_cents int not null,
  state text not null check (state in ('pending', 'completed', 'declined'))
);

-- fulfilment
create table if not exists shipments (
  order_id text primary key,
  state text not null check (state in ('confirmed', 'shipped', 'delivered', 'cancelled'))
);

-- notification, analytics, points
create table if not exists notifications (order_id text, about text, primary key (order_id, about));
create table if not exists event_counts (type text primary key, count int not null);
create table if not exists points_ledger (order_id text primary key, customer_id text not null, points int not null);

-- The world outside. These two belong to no service: they are what a payment gateway and a mail server keep for themselves, and they
-- outlive whoever asks. Of one idempotency key there is one charge and one mail, however often it is asked for.
create table if not exists gateway_charges (
  idempotency_key text primary key,
  order_id text not null,
  amount_cents int not null,
  verdict text not null,
  asked int not null default 1
);
create table if not exists mail_server_mails (
  idempotency_key text primary key,
  order_id text not null,
  about text not null,
  asked int not null default 1
);

-- dead-letter-monitor
create table if not exists dead_letters (
  topic text,
  partition int,
  log_offset bigint,
  source_topic text,
  source_partition int,
  source_offset bigint,
  consumer_group text,
  reason text,
  error_class text,
  error_message text,
  attempts int,
  message_id text,
  primary key (topic, partition, log_offset)
);

-- For the audit: every piece of work that was done, one row each time, and every event that was skipped by a declared rule.
create table if not exists effects (
  seq bigserial primary key,
  service text not null,
  process int not null,
  topic text not null,
  partition int not null,
  log_offset bigint not null,
  event_id text not null,
  order_id text not null,
  kind text not null check (kind in ('done', 'known')),
  happened_at timestamptz not null default clock_timestamp()
);
create table if not exists skips (
  service text,
  topic text,
  partition int,
  log_offset bigint,
  reason text not null,
  primary key (service, topic, partition, log_offset)
);
