#include "simulation/simulated_world.h"

#include <utility>

namespace longbow::simulation {

SimulatedWorld::SimulatedWorld(uint64_t seed, SimulatedDisk disk)
    : schedule_(seed),
      random_(MakeSeededRandom(~seed)),
      appliers_(&schedule_),
      searchers_(&schedule_),
      builders_(&schedule_) {
  views_.push_back(std::make_unique<SimulatedFileSystem>(&schedule_, std::move(disk)));
  environment_ = {.files = views_.back().get(),
                  .clock = &schedule_.clock(),
                  .random = random_.get(),
                  .appliers = &appliers_,
                  .searchers = &searchers_,
                  .builders = &builders_};
}

SimulatedWorld::~SimulatedWorld() {
  views_.back()->CutPowerNow();
  schedule_.Abandon();  // while the views are there for what the tasks held
}

const Environment& SimulatedWorld::PowerCycle() {
  views_.push_back(std::make_unique<SimulatedFileSystem>(&schedule_, views_.back()->TakeDisk()));
  environment_.files = views_.back().get();
  return environment_;
}

}  // namespace longbow::simulation
