// What the same work costs without Python: the same stream, the same tables, a commit for all who wait.
//
//   server ADDRESS DATABASE [KEY CERTIFICATE]
//
// DATABASE was made by `pe-collector init`. Nothing is checked, redacted, unpacked or compared with other machines:
// this is the limit, not a collector.
#include <grpcpp/grpcpp.h>
#include <sqlite3.h>

#include <condition_variable>
#include <csignal>
#include <ctime>
#include <deque>
#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>

#include "pe_protos/v1/report.grpc.pb.h"

namespace wire = pe::v1;

static std::string hex(const std::string& octets) {
  static const char* digits = "0123456789abcdef";
  std::string text;
  for (unsigned char octet : octets) (text += digits[octet >> 4]) += digits[octet & 15];
  return text;
}

struct Order {
  std::string report_id;
  const wire::Hello* hello = nullptr;
  std::vector<std::pair<wire::Frame, std::string>> frames;
  std::promise<void> done;
};

class Writer {
 public:
  explicit Writer(const char* path) {
    check(sqlite3_open(path, &database_));
    execute("PRAGMA synchronous=FULL");
    execute("PRAGMA wal_autocheckpoint=4000");
    thread_ = std::thread([this] { work(); });
  }

  void put(Order& order) {
    auto done = order.done.get_future();
    {
      std::lock_guard<std::mutex> hold(mutex_);
      waiting_.push_back(&order);
    }
    changed_.notify_one();
    done.get();
  }

 private:
  void check(int code) {
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) {
      std::cerr << sqlite3_errmsg(database_) << "\n";
      std::abort();
    }
  }

  void execute(const char* statement) { check(sqlite3_exec(database_, statement, nullptr, nullptr, nullptr)); }

  sqlite3_stmt* prepared(const char* text) {
    auto& statement = statements_[text];
    if (!statement) check(sqlite3_prepare_v2(database_, text, -1, &statement, nullptr));
    sqlite3_reset(statement);
    return statement;
  }

  void text(sqlite3_stmt* statement, int at, const std::string& value) {
    sqlite3_bind_text(statement, at, value.data(), value.size(), SQLITE_TRANSIENT);
  }

  void blob(sqlite3_stmt* statement, int at, const std::string& value) {
    sqlite3_bind_blob(statement, at, value.data(), value.size(), SQLITE_TRANSIENT);
  }

  void work() {
    while (true) {
      std::deque<Order*> orders;
      {
        std::unique_lock<std::mutex> hold(mutex_);
        changed_.wait(hold, [this] { return !waiting_.empty(); });
        orders.swap(waiting_);
      }
      execute("BEGIN IMMEDIATE");
      for (auto* order : orders) order->hello ? open(*order) : store(*order);
      execute("COMMIT");
      for (auto* order : orders) order->done.set_value();
    }
  }

  void open(const Order& order) {
    auto* statement = prepared(
        "INSERT OR IGNORE INTO report (report_id, code, machine_id, boot_key, received_at, last_frame_at, peer, "
        "token_id, carried, protocol, agent_version, trigger, boot_id, image_build, image_name, os_version, booted_at) "
        "VALUES (?1,'',?2,?2,?3,?3,'','',0,1,?4,'auto','',?5,'','',?3)");
    text(statement, 1, order.report_id);
    text(statement, 2, order.hello->identity().serial());
    sqlite3_bind_double(statement, 3, static_cast<double>(std::time(nullptr)));
    text(statement, 4, order.hello->agent_version());
    text(statement, 5, order.hello->boot().image_build());
    check(sqlite3_step(statement));
    statement = prepared("INSERT OR IGNORE INTO machine VALUES (?1,'',?1,'','',0,0)");
    text(statement, 1, order.hello->identity().serial());
    check(sqlite3_step(statement));
    frame(order.report_id, 0, "hello", order.hello->SerializeAsString());
  }

  void store(const Order& order) {
    uint64_t through = 0;
    for (auto& [message, octets] : order.frames) {
      through = message.sequence();
      if (message.has_observation()) observation(order.report_id, message);
      if (message.has_log()) log(order.report_id, message);
      frame(order.report_id, through, message.has_log() ? "log" : "other", message.has_log() ? "" : octets);
    }
    auto* statement = prepared("UPDATE report SET stored_through=?, complete=1, outcome='healthy' WHERE report_id=?");
    sqlite3_bind_int64(statement, 1, through);
    text(statement, 2, order.report_id);
    check(sqlite3_step(statement));
  }

  void frame(const std::string& report_id, uint64_t sequence, const char* body, const std::string& octets) {
    auto* statement = prepared("INSERT OR IGNORE INTO frame VALUES (?,?,?,?)");
    text(statement, 1, report_id);
    sqlite3_bind_int64(statement, 2, sequence);
    text(statement, 3, body);
    sqlite3_bind_blob(statement, 4, octets.data(), octets.size(), SQLITE_TRANSIENT);
    check(sqlite3_step(statement));
  }

  void observation(const std::string& report_id, const wire::Frame& message) {
    auto& body = message.observation();
    auto* statement = prepared("INSERT OR IGNORE INTO observation VALUES (?,?,?,?,?,?,?,?,?)");
    text(statement, 1, report_id);
    sqlite3_bind_int64(statement, 2, message.sequence());
    text(statement, 3, body.probe());
    text(statement, 4, body.target());
    text(statement, 5, body.outcome());
    text(statement, 6, body.reason());
    sqlite3_bind_double(statement, 7, body.started_at_s());
    sqlite3_bind_double(statement, 8, body.elapsed_s());
    text(statement, 9, facts(body));
    check(sqlite3_step(statement));
  }

  static std::string facts(const wire::Observation& body) {
    std::string json = "{";
    for (auto& [name, value] : body.facts()) {
      json += (json.size() > 1 ? ", \"" : "\"") + name + "\": ";
      json += value.has_text() ? '"' + value.text() + '"' : value.has_real() ? std::to_string(value.real()) : std::to_string(value.integer());
    }
    return json + "}";
  }

  void log(const std::string& report_id, const wire::Frame& message) {
    auto& body = message.log();
    auto* statement = prepared(
        "INSERT OR IGNORE INTO log_chunk (report_id, sequence, path, offset_bytes, codec, expanded_bytes, file_bytes, "
        "sha256, data) VALUES (?,?,?,?,?,?,?,?,?)");
    text(statement, 1, report_id);
    sqlite3_bind_int64(statement, 2, message.sequence());
    text(statement, 3, body.path());
    sqlite3_bind_int64(statement, 4, body.offset_bytes());
    text(statement, 5, body.codec());
    sqlite3_bind_int64(statement, 6, body.expanded_bytes());
    sqlite3_bind_int64(statement, 7, body.file_bytes());
    blob(statement, 8, body.sha256());
    blob(statement, 9, body.data());
    check(sqlite3_step(statement));
  }

  sqlite3* database_ = nullptr;
  std::map<const char*, sqlite3_stmt*> statements_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Order*> waiting_;
  std::thread thread_;
};

class Ingest final : public wire::Ingest::Service {
 public:
  explicit Ingest(Writer& writer) : writer_(writer) {}

  grpc::Status Deliver(grpc::ServerContext*, grpc::ServerReaderWriter<wire::Receipt, wire::Frame>* stream) override {
    wire::Frame first, message;
    if (!stream->Read(&first) || !first.has_hello()) return {grpc::StatusCode::INVALID_ARGUMENT, "no hello"};
    first.mutable_hello()->clear_token();
    Order opening{hex(first.hello().report_id()), &first.hello()};
    writer_.put(opening);
    stream->Write(receipt(0));
    while (stream->Read(&message)) {
      Order order{opening.report_id};
      for (auto& octets : message.batch().frames()) {
        order.frames.emplace_back(wire::Frame(), octets);
        order.frames.back().first.ParseFromString(octets);
      }
      if (order.frames.empty()) return {grpc::StatusCode::INVALID_ARGUMENT, "batches only"};
      uint64_t through = order.frames.back().first.sequence();
      writer_.put(order);
      stream->Write(receipt(through));
    }
    return grpc::Status::OK;
  }

 private:
  static wire::Receipt receipt(uint64_t through) {
    wire::Receipt receipt;
    receipt.set_protocol(1);
    receipt.set_stored_through(through);
    receipt.set_complete(through > 0);
    receipt.set_batch_bytes(768 * 1024);
    return receipt;
  }

  Writer& writer_;
};

static std::string slurp(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int main(int count, char** given) {
  if (count < 3) return 2;
  Writer writer(given[2]);
  Ingest service(writer);
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (count > 4) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({slurp(given[3]), slurp(given[4])});
    credentials = grpc::SslServerCredentials(options);
  }
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(given[1], credentials, &port);
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  std::cout << "C++ listening on 127.0.0.1:" << port << " " << std::endl;
  std::signal(SIGTERM, [](int) { std::_Exit(0); });
  server->Wait();
}
