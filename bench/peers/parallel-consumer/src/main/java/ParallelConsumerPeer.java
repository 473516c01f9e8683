import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Confluent's Parallel Consumer under key order, as its users set it up: its own defaults but for ordering and concurrency.
 *
 * <p>Arguments: brokers, topic, concurrency, milliseconds of I/O per record. Each line {@code <group> <count>} on standard input is one
 * run; its answer is one line of JSON. All runs share this Java machine, so that the first ones warm up its compiler.
 */
public final class ParallelConsumerPeer {

  public static void main(String[] args) throws Exception {
    BlockingQueue<String> runs = new LinkedBlockingQueue<>();
    new Thread(() -> read(runs)).start();
    while (true) {
      String[] words = runs.take().split(" ");
      long count = Long.parseLong(words[1]);
      double seconds = consume(args[0], args[1], Integer.parseInt(args[2]), Long.parseLong(args[3]), words[0], count);
      System.out.printf(Locale.ROOT, "{\"records\": %d, \"seconds\": %.6f}%n", count, seconds);
      System.out.flush();
    }
  }

  /** Ends the process at the end of the input, also in the middle of a run: whoever started it is gone. */
  private static void read(BlockingQueue<String> runs) {
    try (BufferedReader lines = new BufferedReader(new InputStreamReader(System.in))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) runs.add(line);
    } catch (IOException e) {
      e.printStackTrace();
    }
    System.exit(0);
  }

  /** Returns the seconds from the first record handled to the last one of {@code count}. */
  private static double consume(String brokers, String topic, int concurrency, long ioMs, String group, long count)
      throws InterruptedException {
    Properties properties = new Properties();
    properties.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
    properties.put(ConsumerConfig.GROUP_ID_CONFIG, group);
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false); // it demands this
    ParallelConsumerOptions<String, String> options =
        ParallelConsumerOptions.<String, String>builder()
            .consumer(new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer()))
            .ordering(ProcessingOrder.KEY)
            .maxConcurrency(concurrency)
            .build();

    AtomicLong handled = new AtomicLong();
    AtomicLong first = new AtomicLong();
    AtomicLong last = new AtomicLong();
    CountDownLatch done = new CountDownLatch(1);
    ParallelStreamProcessor<String, String> processor = ParallelStreamProcessor.createEosStreamProcessor(options);
    processor.subscribe(List.of(topic));
    processor.poll(
        context -> {
          if (ioMs > 0) sleep(ioMs);
          long number = handled.incrementAndGet();
          if (number == 1) first.set(System.nanoTime());
          if (number == count) {
            last.set(System.nanoTime());
            done.countDown();
          }
        });
    done.await();
    processor.closeDontDrainFirst();
    return (last.get() - first.get()) / 1e9;
  }

  private static void sleep(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private ParallelConsumerPeer() {}
}
