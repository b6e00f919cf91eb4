# Runs the formula as Homebrew would, as far as the formula goes: stand_in.rb FORMULA ARCHIVE PREFIX. What it does not know, it refuses.
require "digest"
require "fileutils"
require "open3"
require "pathname"

FORMULA, ARCHIVE, PREFIX = ARGV.map { |path| Pathname.new(path) }

# A folder that files are installed into.
class Place < Pathname
  def install(*files)
    mkpath
    files.flatten.each do |file|
      abort "the archive has no #{file}" unless File.exist?(file)
      FileUtils.cp_r(file, self)
    end
    abort "nothing goes to #{self}" if files.flatten.empty?
  end
end

class Formula
  PLACES = { bin: "bin", man1: "share/man/man1", bash_completion: "etc/bash_completion.d", zsh_completion: "share/zsh/site-functions",
             fish_completion: "share/fish/vendor_completions.d", pkgshare: "share/ocmesh" }.freeze
  PLACES.each { |name, path| define_method(name) { Place.new(PREFIX.join(path)) } }

  class << self
    attr_reader :archives, :test_block

    %i[desc homepage license].each { |name| define_method(name) { |*| nil } }
    %i[on_linux on_macos on_intel on_arm].each { |name| define_method(name) { |&block| block.call } }
    def version(text = nil) = text ? @version = text : @version
    def url(text) = (@archives ||= {})[@last = File.basename(text)] = nil
    def sha256(sum) = @archives[@last] = sum
    def test(&block) = @test_block = block
  end

  def version = self.class.version
  def testpath = PREFIX.join("test")

  def assert_match(wanted, text)
    abort "#{wanted.inspect} is not in #{text.inspect}" unless text.include?(wanted.to_s)
  end

  def shell_output(command, code = 0)
    text, status = Open3.capture2(command)
    abort "#{command} ended with #{status.exitstatus}, not #{code}" unless status.exitstatus == code
    text
  end
end

load FORMULA.to_s
sum = Ocmesh.archives.fetch(ARCHIVE.basename.to_s)
abort "the checksum in the formula is not the archive's" unless Digest::SHA256.file(ARCHIVE.to_s).hexdigest == sum
system("tar", "-xzf", ARCHIVE.to_s, "-C", PREFIX.to_s) || abort("the archive cannot be unpacked")
formula = Ocmesh.new
Dir.chdir(Dir[PREFIX.join("ocmesh-*").to_s].first) { formula.install }
formula.instance_eval(&Ocmesh.test_block)
abort "caveats are missing" unless formula.caveats.include?("ocmesh demo")
