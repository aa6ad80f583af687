// The metrics, each a file; a new one is a row here and in the enumeration of metric_list.h. Included inside
// an unnamed namespace, after element-inl.h.
//
// A metric has its names (the first is given out); the sums of its kernel, Init, Accumulate, Finish; whether
// they were Trusted, or have to be taken again in extended precision; whether queries are scaled to unit
// length; and what users see of the result.

#include "longbow/distance/metrics/cosine.h"
#include "longbow/distance/metrics/inner_product.h"
#include "longbow/distance/metrics/l2.h"

// visit(M()) for every metric M.
template <typename Visit>
constexpr void ForEachMetric(Visit&& visit) {
  visit(L2());
  visit(Cosine());
  visit(InnerProduct());
}

// visit(M()) for the one that `metric` names.
template <typename Visit>
void VisitMetric(Metric metric, Visit&& visit) {
  ForEachMetric([&](auto m) {
    if (decltype(m)::kMetric == metric) visit(m);
  });
}
