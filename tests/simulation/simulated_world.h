// A machine in a test: disk, clock, random numbers and executors that one seed decides.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "longbow/base/environment.h"
#include "simulation/schedule.h"
#include "simulation/simulated_file_system.h"

namespace longbow::simulation {

// How a crash test goes:
//
//   SimulatedWorld world(seed);
//   auto engine = OpenEngine(world.environment());
//   world.files().CutPowerAt(n, CutPoint::kInside);
//   ... submit work; world.RunUntil(...) or world.RunUntilIdle() ...
//   engine.reset();                                  // before or after the next line
//   engine = OpenEngine(world.PowerCycle());         // on what survived
//
// Confined to one thread.
class SimulatedWorld {
 public:
  explicit SimulatedWorld(uint64_t seed) : SimulatedWorld(seed, SimulatedDisk()) {}
  SimulatedWorld(uint64_t seed, SimulatedDisk disk);
  ~SimulatedWorld();  // what has not run never does

  const Environment& environment() const { return environment_; }
  SimulatedFileSystem& files() { return *views_.back(); }  // of the process that lives
  SimulatedClock& clock() { return schedule_.clock(); }
  Schedule& schedule() { return schedule_; }

  bool RunUntil(const std::function<bool()>& done) { return schedule_.RunUntil(done); }
  int64_t RunUntilIdle() { return schedule_.RunUntilIdle(); }

  // Takes the power and gives it back: a new view of what the disk kept, with no operation counted, no
  // trouble scripted and no lock held. Whatever still uses the environment of before talks to a dead view.
  const Environment& PowerCycle();

  uint64_t log_hash() const { return schedule_.log_hash(); }

 private:
  Schedule schedule_;
  const std::unique_ptr<Random> random_;
  SimulatedExecutor appliers_, searchers_, builders_;
  std::vector<std::unique_ptr<SimulatedFileSystem>> views_;  // the last one lives
  Environment environment_;
};

}  // namespace longbow::simulation
