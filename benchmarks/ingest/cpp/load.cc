// Agents that send reports as fast as they are acknowledged, cheap enough not to be what is measured.
//
//   load ADDRESS RECORDS ACKS MODE AGENTS REPORTS [CA TOKEN]
//
// Every report has a log of its own, so that no server gains by having seen it before.
// RECORDS: frames after the hello, each with its length as four octets before it (little endian). MODE: `stream` a
// stream for each report on a connection each agent keeps, `fresh` a connection for each report, `forward` one stream
// for each agent with up to 32 reports under way, `idle` opens a stream on a connection of its own for each agent, says
// "idle" and waits until its input ends. Every acknowledged id goes to ACKS, one a line, written at the end.
// Prints JSON: reports, elapsed_s, and the latency of each report in milliseconds as p50, p99 and last.
#include <grpcpp/grpcpp.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include "pe_protos/v1/report.grpc.pb.h"

using Clock = std::chrono::steady_clock;
namespace wire = pe::v1;

struct Load {
  std::string address, mode, ca, token;
  std::vector<std::string> records;
  int agents = 1, reports = 1;
};

struct Tally {
  std::mutex mutex;
  std::vector<std::string> ids;
  std::vector<double> took_ms;
  std::atomic<int> next{0};

  void acknowledged(const std::string& id, Clock::time_point began) {
    double ms = std::chrono::duration<double, std::milli>(Clock::now() - began).count();
    std::lock_guard<std::mutex> hold(mutex);
    ids.push_back(id);
    took_ms.push_back(ms);
  }
};

static std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

static std::vector<std::string> read_records(const std::string& path) {
  std::string all = slurp(path);
  std::vector<std::string> records;
  for (size_t at = 0; at + 4 <= all.size();) {
    uint32_t length;
    std::memcpy(&length, all.data() + at, 4);
    records.push_back(all.substr(at + 4, length));
    at += 4 + length;
  }
  return records;
}

static std::shared_ptr<grpc::Channel> connect(const Load& load) {
  grpc::ChannelArguments arguments;
  arguments.SetInt("grpc.use_local_subchannel_pool", 1);
  if (load.ca.empty())
    return grpc::CreateCustomChannel(load.address, grpc::InsecureChannelCredentials(), arguments);
  arguments.SetSslTargetNameOverride("pe-collector");
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = load.ca;
  return grpc::CreateCustomChannel(load.address, grpc::SslCredentials(options), arguments);
}

static wire::Hello make_hello(std::mt19937_64& chance) {
  std::string id(16, 0);
  for (auto& octet : id) octet = static_cast<char>(chance());
  char mac[18];
  snprintf(mac, sizeof mac, "02:%02x:%02x:%02x:%02x:%02x", id[0] & 255, id[1] & 255, id[2] & 255, id[3] & 255, id[4] & 255);
  wire::Hello hello;
  hello.set_protocol(1);
  hello.set_agent_version("0.1.0");
  hello.set_report_id(id);
  hello.set_trigger("auto");
  hello.mutable_identity()->set_serial("LOAD-" + std::to_string(chance() % 1000000000000));
  hello.mutable_identity()->add_macs(mac);
  hello.mutable_boot()->set_image_build("loadgen");
  hello.mutable_clock()->set_uptime_s(40);
  return hello;
}

// The record as it is, but for a log that zlib packed: that gets a first line nobody else has. It is put before the
// packed octets as a block of its own that is not packed (RFC 1951 3.2.4), so that nothing has to be packed again.
static std::string unique(const std::string& record, const std::string& name) {
  wire::Frame frame;
  frame.ParseFromString(record);
  if (!frame.has_log() || frame.log().codec() != "zlib") return record;
  auto& log = *frame.mutable_log();
  std::string line = "2026-11-22 08:00:00, Info  IBS  boot " + name + "\r\n", packed = log.data();
  auto size = static_cast<uint16_t>(line.size()), inverse = static_cast<uint16_t>(~size);
  uLong old = 0;
  for (int n = 4; n > 0; n--) old = old << 8 | static_cast<unsigned char>(packed[packed.size() - n]);
  uLong sum = adler32(1, reinterpret_cast<const Bytef*>(line.data()), size);
  sum = adler32_combine(sum, old, static_cast<z_off_t>(log.expanded_bytes()));
  std::string data = packed.substr(0, 2);
  data += {0, static_cast<char>(size), static_cast<char>(size >> 8), static_cast<char>(inverse), static_cast<char>(inverse >> 8)};
  data += line + packed.substr(2, packed.size() - 6);
  for (int shift = 24; shift >= 0; shift -= 8) data += static_cast<char>(sum >> shift);
  log.set_data(data);
  log.set_expanded_bytes(log.expanded_bytes() + size);
  log.set_file_bytes(log.file_bytes() + size);
  log.clear_sha256();
  return frame.SerializeAsString();
}

static std::string hex(const std::string& octets) {
  static const char* digits = "0123456789abcdef";
  std::string text;
  for (unsigned char octet : octets) (text += digits[octet >> 4]) += digits[octet & 15];
  return text;
}

// One report on one stream; false when it was not acknowledged as complete.
static bool deliver(wire::Ingest::Stub& stub, const Load& load, const wire::Hello& hello) {
  grpc::ClientContext context;
  auto call = stub.Deliver(&context);
  wire::Frame first;
  *first.mutable_hello() = hello;
  first.mutable_hello()->set_token(load.token);
  wire::Receipt receipt;
  if (!call->Write(first) || !call->Read(&receipt)) return false;
  if (receipt.complete()) return true;
  if (receipt.batch_bytes() > 0) {
    wire::Frame batch;
    for (auto& record : load.records) batch.mutable_batch()->add_frames(unique(record, hex(hello.report_id())));
    if (!call->Write(batch)) return false;
  } else {
    for (auto& record : load.records) {
      wire::Frame frame;
      frame.ParseFromString(unique(record, hex(hello.report_id())));
      if (!call->Write(frame)) return false;
    }
  }
  call->WritesDone();
  while (call->Read(&receipt))
    if (receipt.complete()) return true;
  return false;
}

static void agent(const Load& load, Tally& tally, unsigned number) {
  std::mt19937_64 chance(std::random_device{}() + number);
  std::unique_ptr<wire::Ingest::Stub> stub;
  while (tally.next++ < load.reports) {
    wire::Hello hello = make_hello(chance);
    auto began = Clock::now();
    for (int attempt = 0; attempt < 20; attempt++) {
      if (!stub || load.mode == "fresh" || attempt) stub = wire::Ingest::NewStub(connect(load));
      if (!deliver(*stub, load, hello)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        continue;
      }
      tally.acknowledged(hex(hello.report_id()), began);
      break;
    }
  }
}

static void forwarder(const Load& load, Tally& tally, unsigned number) {
  std::mt19937_64 chance(std::random_device{}() + number);
  auto stub = wire::Ingest::NewStub(connect(load));
  grpc::ClientContext context;
  auto call = stub->Forward(&context);
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Clock::time_point> under_way;
  bool broken = false;
  std::thread hearing([&] {
    wire::ParcelReceipt receipt;
    while (call->Read(&receipt)) {
      std::lock_guard<std::mutex> hold(mutex);
      auto found = under_way.find(receipt.report_id());
      if (found == under_way.end()) continue;
      if (receipt.receipt().complete()) tally.acknowledged(hex(receipt.report_id()), found->second);
      under_way.erase(found);
      changed.notify_one();
    }
    std::lock_guard<std::mutex> hold(mutex);
    broken = true;
    changed.notify_one();
  });
  for (bool first = true; tally.next++ < load.reports; first = false) {
    wire::Frame opening;
    *opening.mutable_hello() = make_hello(chance);
    wire::Parcel parcel;
    if (first) parcel.set_token(load.token);
    parcel.add_frames(opening.SerializeAsString());
    for (auto& record : load.records) parcel.add_frames(unique(record, hex(opening.hello().report_id())));
    std::unique_lock<std::mutex> hold(mutex);
    changed.wait(hold, [&] { return broken || under_way.size() < 32; });
    if (broken) break;
    under_way[opening.hello().report_id()] = Clock::now();
    hold.unlock();
    if (!call->Write(parcel)) break;
  }
  call->WritesDone();
  hearing.join();
  auto status = call->Finish();
  if (!status.ok()) std::cerr << status.error_message() << "\n";
}

static int idle(const Load& load) {
  std::mt19937_64 chance(1);
  struct Open {
    std::unique_ptr<wire::Ingest::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<wire::Frame, wire::Receipt>> call;
  };
  std::vector<std::unique_ptr<Open>> all;
  for (int n = 0; n < load.agents; n++) {
    all.push_back(std::make_unique<Open>());
    auto& open = *all.back();
    open.stub = wire::Ingest::NewStub(connect(load));
    open.call = open.stub->Deliver(&open.context);
    wire::Frame first;
    *first.mutable_hello() = make_hello(chance);
    first.mutable_hello()->set_token(load.token);
    wire::Receipt receipt;
    if (!open.call->Write(first) || !open.call->Read(&receipt)) return 30;
  }
  std::cout << "idle" << std::endl;
  std::cin.get();
  std::_Exit(0);
}

int main(int count, char** given) {
  if (count < 7) return 2;
  Load load{given[1], given[4], count > 8 ? slurp(given[7]) : "", count > 7 ? given[count - 1] : "", read_records(given[2])};
  load.agents = std::stoi(given[5]);
  load.reports = std::stoi(given[6]);
  if (load.mode == "idle") return idle(load);
  Tally tally;
  std::vector<std::thread> threads;
  auto began = Clock::now();
  for (int n = 0; n < load.agents; n++)
    threads.emplace_back(load.mode == "forward" ? forwarder : agent, std::cref(load), std::ref(tally), n);
  for (auto& thread : threads) thread.join();
  double elapsed_s = std::chrono::duration<double>(Clock::now() - began).count();
  std::ofstream acks(given[3]);
  for (auto& id : tally.ids) acks << id << "\n";
  auto& took = tally.took_ms;
  std::sort(took.begin(), took.end());
  size_t got = took.size();
  std::cout << "{\"reports\": " << got << ", \"elapsed_s\": " << elapsed_s;
  if (got) std::cout << ", \"p50_ms\": " << took[got / 2] << ", \"p99_ms\": " << took[got * 99 / 100] << ", \"last_ms\": " << took.back();
  std::cout << "}\n";
  return got == static_cast<size_t>(load.reports) ? 0 : 30;
}
